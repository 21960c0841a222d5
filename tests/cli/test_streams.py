"""Output to whatever there is: other encodings, terminals of few abilities, closed and full streams."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ctera_insights.cli import streams
from tests.cli.test_cli import CLI, environment, run

NAME = "Prüfung 📊 会议 \u202e.xlsx"
ENCODINGS = ["latin-1", "cp1252", "ascii", "utf-8", "utf-16", "latin-1:replace"]
QUERY = f"SELECT '{NAME}' AS name"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small lake."""
    data = tmp_path_factory.mktemp("streams") / "lake"
    run("demo", "--data", data, "--events", 300)
    return data


def raw(*arguments: object, code: int | None = 0, **options: object) -> subprocess.CompletedProcess[bytes]:
    env = environment(**options.pop("env", {}))
    done = subprocess.run(
        [*CLI, *map(str, arguments)], env=env, capture_output=True, timeout=120, check=False, **options
    )
    assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    return done


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_format_comes_in_every_encoding(encoding: str, data: Path) -> None:
    """JSON stays JSON and CSV stays UTF-8; a table shows what the encoding has no sign for as an escape."""
    name, _, errors = encoding.partition(":")
    env = {"PYTHONIOENCODING": encoding}
    told = raw("sql", "--data", data, QUERY, "--format", "json", env=env).stdout
    assert json.loads(told) == [{"name": NAME}]
    told = raw("sql", "--data", data, QUERY, "--format", "csv", env=env).stdout
    assert list(csv.reader(io.StringIO(told.decode("utf-8")))) == [["name"], [NAME]]
    table = raw("sql", "--data", data, QUERY, env=env).stdout.decode(name)
    if name in ("ascii", "latin-1", "cp1252") and errors != "replace":
        assert "\\ud83d\\udcca \\u4f1a\\u8bae" in table
        assert set(table.split("\n")[0]) == {"+", "-"}


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "--json"),
        ("views",),
        ("check",),
        ("optimize",),
        ("enrich",),
        ("alerts",),
        ("alerts", "--json"),
        ("sql", "SELECT * FROM nowhere_📊"),
        ("sql", "SELECT name FROM events", "--format", "arrow"),
    ],
)
def test_every_command_speaks_ascii(command: tuple[str, ...], data: Path) -> None:
    """Results and errors alike."""
    name, *rest = command
    raw(name, "--data", data, *rest, code=None, env={"PYTHONIOENCODING": "ascii"})


def test_errors_come_in_every_encoding(tmp_path: Path) -> None:
    """A path that standard error cannot show is escaped."""
    told = raw("status", "--data", tmp_path / "会议", code=2, env={"PYTHONIOENCODING": "ascii"})
    assert b"\\u4f1a\\u8bae" in told.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_were_closed_are_no_matter(closed: str, data: Path) -> None:
    """The work is done, and nothing else is written where they were."""
    for command in (
        f"sql --data {data} 'SELECT 1' --format csv",
        f"status --data {data}",
        f"check --data {data}",
    ):
        line = f"{sys.executable} -m ctera_insights {command} {closed}"
        done = subprocess.run(
            line, shell=True, env=environment(), capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), command
    assert raw("check", "--data", data).returncode == 0


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_report_needs_no_streams(closed: str, data: Path, tmp_path: Path) -> None:
    """The kernel that makes it inherits ours."""
    to = tmp_path / "report.html"
    line = f"{sys.executable} -m ctera_insights report --data {data} --to {to} {closed}"
    done = subprocess.run(line, shell=True, env=environment(), capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert to.stat().st_size > 10_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("form", ["table", "csv", "json", "arrow"])
def test_a_full_disk_is_told(form: str, data: Path) -> None:
    """In a sentence, with exit code 1."""
    for query in ("SELECT 1", "SELECT * FROM range(300000)"):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*CLI, "sql", "--data", str(data), query, "--format", form],
                env=environment(),
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr.decode() == "Error: the output cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    "more",
    [
        {"TERM": "dumb"},
        {"NO_COLOR": "1"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252", "TERM": "xterm"},
        {"TERM": ""},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_progress_works_on_any_terminal(more: dict[str, str], tmp_path: Path) -> None:
    """Without colours, without signs beyond ASCII, without abilities."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*CLI, "demo", "--data", str(tmp_path / "lake"), "--events", "300"],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"Traceback" not in shown
    if "NO_COLOR" in more:
        assert b"\x1b[3" not in shown
    if more.get("PYTHONIOENCODING") == "ascii":
        assert shown.isascii()


def test_escapes_are_those_of_json() -> None:
    """What is drawn becomes ASCII; all else can be read back, half a pair included."""
    streams.prepare()
    for text in ("ü", "📊", "会议", "\udc80", "\u202e"):
        assert json.loads(f'"{text.encode("ascii", streams.ESCAPES).decode()}"') == text
    assert "┌─┐ a…b · ⠋".encode("ascii", streams.ESCAPES) == b"+-+ a...b . ."
