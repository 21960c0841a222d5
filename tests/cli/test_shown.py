"""Names of a Portal in what the commands say: nothing in them moves the cursor, turns the line, or hides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ctera_insights.activity import enrich_lake_plain
from ctera_insights.lake import Lake
from ctera_insights.text import visible
from tests.cli.test_cli import run
from tests.entries.test_through import Told, collect

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "\u202egpj.exe\x1b[31m\x85\u200b"
KEYS = dict.fromkeys(("CTERA_INSIGHTS_ACCESS_KEY_ID", "CTERA_INSIGHTS_SECRET_ACCESS_KEY"), "K" * 20)


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which a cloud folder and its files have such names, and 200 of them go within an hour."""
    top = {"guid": "top", "type": "folder", "folder_id": 1, "name": EVIL}
    files = [
        {"guid": f"f{n}", "type": "file", "folder_id": 1, "parent_guid": "top", "name": f"{n}{EVIL}"}
        for n in range(200)
    ]
    gone = [{**file, "deleted": True, "portal_modified_date": "2026-03-01T00:00:00Z"} for file in files[2:]]
    home = tmp_path_factory.mktemp("evil")
    for pages in ([[top, *files]], [[top, *files], gone]):
        told = Told([[json.dumps(entry).encode() for entry in page] for page in pages])
        collect(Lake(home / "data"), told)
    enrich_lake_plain(Lake(home / "data"))
    return home / "data"


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (0, ["sql", "SELECT path, name FROM activity"]),
        (1, ["sql", f"SELECT '{EVIL}'::INT"]),
        (0, ["status"]),
        (0, ["check"]),
        (10, ["alerts"]),
        (1, ["download", "--portal", "127.0.0.1:9", "--to", "TO"]),  # files without an id ask no Portal
    ],
)
def test_names_are_shown_as_escapes(evil: Path, tmp_path: Path, code: int, command: list[str]) -> None:
    name, *arguments = [str(tmp_path / "to") if word == "TO" else word for word in command]
    done = run(name, "--data", evil, *arguments, code=code, **KEYS)
    told = done.stdout + done.stderr
    assert visible(told, keep="\n") == told
    if name in {"sql", "alerts", "download"}:
        assert r"\u202e" in told
