"""Where a store may lie: what is no place for one is refused before a library is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ctera_insights.errors import InsightsError, UsageError
from ctera_insights.insights import Insights
from ctera_insights.lake import Lake

if TYPE_CHECKING:
    from pathlib import Path

NO_PLACES: list[Any] = [
    "",
    "  ",
    "a\0b",
    None,
    5,
    ["data"],
    "~nobody-of-this-name/data",
    "s3://",
    "http://h/data",
]


@pytest.mark.parametrize("place", NO_PLACES)
def test_what_is_no_place_is_refused(place: Any) -> None:
    """Among them a name with a zero byte, over which the file system's library would end the process."""
    for call in (Lake, Insights):
        with pytest.raises(UsageError):
            call(place)


def test_a_path_of_bytes_is_a_path(tmp_path: Path) -> None:
    assert Lake(os.fsencode(tmp_path)).uri == Lake(tmp_path).uri


COMMANDS = (
    ("status", "--data", "store"),
    ("check", "--data", "store"),
    ("sql", "--data", "store", "SELECT 1"),
    ("collect", "--data", "store", "--portal", "http://127.0.0.1:9", "--user", "jo", "--for", "1"),
    ("report", "--data", "store", "--to", "report.html"),
    ("demo",),
    ("dashboard", "--data", "store"),
    ("simulate", "--from-dir", "files"),
    ("download", "--data", "store", "--portal", "http://127.0.0.1:9", "--to", "files"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_working_directory_that_is_gone_is_told(command: tuple[str, ...], tmp_path: Path) -> None:
    """As after a cleanup of /tmp under a shell that stands in it."""
    gone = tmp_path / "gone"
    gone.mkdir()
    program = (
        "import os, sys; os.rmdir(os.getcwd());"
        "from ctera_insights.cli import main; sys.argv[0] = 'ctera-insights'; main()"
    )
    keys = {"CTERA_INSIGHTS_ACCESS_KEY_ID": "a", "CTERA_INSIGHTS_SECRET_ACCESS_KEY": "AAAA"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *command],
        cwd=gone,
        env={**os.environ, **keys, "CTERA_INSIGHTS_PASSWORD": "secret"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    assert "Error: " in done.stderr


def test_a_whole_path_needs_no_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Lake(tmp_path / "store").uri == (tmp_path / "store").as_posix()
    with pytest.raises(InsightsError, match="whole path"):
        Lake("store")
