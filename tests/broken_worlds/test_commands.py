"""Every command, over every broken store: an exit code of ours and a message that says what to do."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from ctera_insights.cli import cli, main
from ctera_insights.errors import EXIT_ALERT, EXIT_STORE_DAMAGED, EXIT_USAGE
from tests.broken_worlds.worlds import WORLDS, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ctera_insights import SimulatedPortal

OURS = {0, 1, 2, 3, 4, 5, 6, EXIT_STORE_DAMAGED, EXIT_ALERT}
FOREIGN = re.compile(
    r"Traceback|File \"/|\d+: <unknown>|Stack Trace|RUST_BACKTRACE|panicked|\x1b\[|read_parquet\(|↳"
    r"|_duckdb|pyarrow\.lib"
)
NOWHERE = "http://127.0.0.1:9"

COMMANDS: dict[str, list[str]] = {
    "demo": ["--data", "STORE", "--events", "200"],
    # What serves until it is stopped is asked for what it cannot have.
    "simulate": ["--from-dir", "STORE", "--host", "203.0.113.1"],
    "dashboard": ["--data", "STORE", "--host", "203.0.113.1"],
    "collect": ["--data", "STORE", "--portal", "PORTAL", "--user", "admin", "--for", "5"],
    "enrich": ["--data", "STORE"],
    "status": ["--data", "STORE"],
    "sql": ["--data", "STORE", "SELECT count(*), max(name) FROM events"],
    "views": ["--data", "STORE"],
    "optimize": ["--data", "STORE", "--keep-replaced", "0"],
    "check": ["--data", "STORE"],
    "alerts": ["--data", "STORE"],
    "report": ["--data", "STORE", "--to", "NOWHERE/report.html"],
    "download": ["--data", "STORE", "--portal", NOWHERE, "--to", "DEST", "--where", "size < 0"],
}
COLLECTED = {"data file missing", "entry garbage", "log missing", "a file for the store"}
KEYS = {
    "CTERA_INSIGHTS_ACCESS_KEY_ID": "L5WT94ULMS3KFNE7IK5O",
    "CTERA_INSIGHTS_SECRET_ACCESS_KEY": "CVZG1U07gRaY4sEdUmIH7tkHN7Vn63RKyvP6Rmrh",
}


class Command:
    """Runs a command in this process, as the installed one does, and tells its exit code and output."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["ctera-insights", *arguments])
        with pytest.raises(SystemExit) as ended:  # anything else would be a foreign exception
            main()
        told = self._capsys.readouterr()
        code = ended.value.code
        assert code in OURS, (code, told)
        assert not FOREIGN.search(told.err + (told.out if code else "")), told
        if code not in {0, EXIT_ALERT}:
            assert told.out.strip() or told.err.strip()
            assert len(told.err) < 2500
        return int(code), told.out, told.err


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return Command(capsys, monkeypatch)


def test_no_command_is_left_out() -> None:
    assert COMMANDS.keys() == cli.commands.keys()


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_every_command_says_what_is_wrong(
    world: World,
    copy: Callable[[], Path],
    command: Command,
    portal: SimulatedPortal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD", portal.password)
    places = {"PORTAL": portal.url, "NOWHERE": str(tmp_path / "no" / "where"), "DEST": str(tmp_path / "dest")}
    for name, options in COMMANDS.items():
        if name == "collect" and world.name not in COLLECTED:  # it takes a while
            continue
        store = copy()
        world.wreck(store)
        command(name, *_filled(options, places | {"STORE": str(store)}))


def _filled(options: list[str], places: Mapping[str, str]) -> list[str]:
    for key, value in places.items():
        options = [option.replace(key, value) for option in options]
    return options


@pytest.mark.parametrize(
    "name", [*sorted(COMMANDS.keys() - {"demo", "collect"}), "enrich --rebuild", "check --repair"]
)
def test_a_mistyped_path_is_an_error_and_stays_what_it_was(
    name: str, command: Command, tmp_path: Path
) -> None:
    """Only what begins a store makes a directory for it."""
    places = {
        "STORE": str(tmp_path / "typo"),
        "DEST": str(tmp_path / "dest"),
        "NOWHERE": str(tmp_path / "no"),
    }
    command_, *more = name.split()
    code, _, err = command(command_, *more, *_filled(COMMANDS[command_], places))
    assert code == EXIT_USAGE, err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("world", [w for w in WORLDS if w.told], ids=lambda world: world.name)
def test_a_query_over_it_has_the_exit_code_of_its_cause(
    world: World, copy: Callable[[], Path], command: Command
) -> None:
    store = copy()
    world.wreck(store)
    code, out, err = command("sql", "--data", str(store), f"SELECT * FROM {world.table}", "--format", "json")
    assert world.told is not None
    assert code == world.told.exit_code, (out, err)
    assert "ctera-insights" in err  # the command that helps
