"""SIGKILL at any moment, with a Portal in trouble: each event is in the store once, and all that follows."""

from __future__ import annotations

import threading
import time
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from ctera_insights.insights.views import connect
from ctera_insights.lake import Lake
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from ctera_insights.simulator.sources.directory import DirectorySource
from tests.reliability.world import (
    COLLECT,
    FAULTY_ENTRIES,
    SEED,
    Command,
    Runner,
    committed,
    content,
    findings,
    office,
    scaled,
    served,
    strays,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ctera_insights.simulator import World

KILLS: Final = scaled(24)
CHANGES: Final = scaled(2500)
TROUBLE: Final = (
    "status:503:0.05:retry_after=none,cut:0.05,reset:0.03,html:0.03,empty:0.03,kill-session:every=20,"
    "slow:0.3:seconds=0.05"
)


@pytest.fixture(scope="module")
def history() -> World:
    return office(CHANGES)


@pytest.mark.timeout(1800 + scaled(1800))
def test_a_store_whose_writers_are_killed_again_and_again_ends_as_a_quiet_one(
    commands: Runner, history: World, tmp_path: Path
) -> None:
    """Collecting while deriving, rebuilding and merging are all cut short; an old snapshot stays readable."""
    data, quiet = tmp_path / "killed", tmp_path / "quiet"
    with served(history) as portal:
        assert commands.at(portal).collect(quiet).code == 0
    expected = content(quiet)
    lots = Random(SEED)
    reader = _Reader(data)
    held: set[tuple[object, ...]] = set()
    kills = 0
    writers = [(*COLLECT, "--follow"), ("enrich", "--rebuild"), ("optimize",)]
    with served(history, f"{FAULTY_ENTRIES},{TROUBLE}") as portal:
        runner = commands.at(portal)
        while kills < KILLS:
            writer = writers[lots.choice([0, 0, 0, 1, 2]) if held else 0]
            command = runner.start(data, *writer)
            _wait_for_commits(data, lots.randint(0, 3), command)
            time.sleep(
                lots.uniform(0, 0.2)
            )  # some moment of fetching, decoding, writing, committing, deriving
            kills += command.running()
            command.kill()
            ended = command.wait()
            assert ended.was_clear(), ended
            now = committed(data)
            assert held <= now
            held = now
            reader.start_when_ready()
        last = runner.collect(data)
        assert last.code == 0, last.said
    reader.stop()
    assert content(data) == expected
    assert findings(data) == []
    assert strays(data) == []
    assert reader.error is None
    assert reader.queries > 0


def test_a_mirror_whose_download_is_killed_again_and_again_is_whole_in_the_end(
    commands: Runner, tmp_path: Path
) -> None:
    """No file is ever there half under its own name, and nothing is left beside them."""
    share, copy, data = tmp_path / "share", tmp_path / "copy", tmp_path / "lake"
    lots = Random(SEED)
    (share / "deep").mkdir(parents=True)
    wanted = {f"deep/{number}.bin": lots.randbytes(lots.randint(1, 300_000)) for number in range(60)}
    wanted["large.bin"] = lots.randbytes(20 << 20)
    for name, bytes_ in wanted.items():
        (share / name).write_bytes(bytes_)
    source = DirectorySource(share)
    keys = {
        "CTERA_INSIGHTS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "CTERA_INSIGHTS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    }
    with SimulatedPortal(source, password="pw").run_in_thread() as portal:
        runner = commands.at(portal.url)
        assert runner.collect(data).code == 0
        for _ in range(scaled(8)):
            command = runner.start(data, "download", "--to", str(copy), settings=keys)
            time.sleep(lots.uniform(0.2, 1.2))
            command.kill()
            command.wait()
            for path in copy.rglob("*"):
                name = "/".join(path.relative_to(copy).parts[1:])
                if path.is_file() and not path.name.startswith("."):
                    assert path.read_bytes() == wanted[name]
        ended = runner.run(data, "download", "--to", str(copy), settings=keys)
    assert ended.code == 0, ended.said
    found = {"/".join(path.relative_to(copy).parts[1:]): path for path in copy.rglob("*") if path.is_file()}
    found.pop("", None)
    assert {name: path.read_bytes() for name, path in found.items()} == wanted


def _wait_for_commits(data: Path, more: int, command: Command) -> None:
    """Until some commits were made to any table, or the command ended, or five seconds went by."""
    before, end = _commits(data), time.monotonic() + 5
    while command.running() and _commits(data) < before + more and time.monotonic() < end:
        time.sleep(0.005)


def _commits(data: Path) -> int:
    return sum(1 for _ in data.glob("*/_delta_log/*.json"))


class _Reader:
    """Queries the first snapshot it saw, over and over."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.queries = 0
        self.error: Exception | None = None

    def start_when_ready(self) -> None:
        if self._thread is None and (self._data / "events" / "_delta_log").is_dir():
            self._thread = threading.Thread(target=self._run)
            self._thread.start()

    def _run(self) -> None:
        try:
            with connect(Lake(self._data)) as connection:
                query = "SELECT count(*), max(seq), sum(hash(guid)) FROM events"
                first = connection.sql(query).fetchall()
                while not self._end.is_set():
                    assert connection.sql(query).fetchall() == first
                    self.queries += 1
                    time.sleep(0.2)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            self.error = error

    def stop(self) -> None:
        self._end.set()
        if self._thread:
            self._thread.join()
