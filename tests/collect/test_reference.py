"""The store holds what the reference client yields: every event once, field by field."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from ctera_insights import plain
from ctera_insights.insights.views import connect
from ctera_insights.model import WIRE_FIELDS
from ctera_insights.pipeline import collect_portal
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.sources.git import GitSource

COMMITS = 300


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A history with writes, renames of files and folders, and deletions."""
    lines = ["reset refs/heads/main"]
    for number in range(COMMITS):
        lines += [
            "commit refs/heads/main",
            f"committer Someone <someone@example.com> {1_700_000_000 + 60 * number} +0000",
            "data 1\nx",
            f"M 644 inline dir{number % 7}/sub/file {number % 40}.txt\ndata 9\n{number:09d}",
        ]
        if number % 25 == 24:
            lines.append(f"R dir{number % 7} moved{number}")
        if number % 25 == 12:
            lines.append(f"D dir{number % 7}/sub/file {number % 40}.txt")
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
    subprocess.run(
        ["git", "-C", str(repository), "fast-import", "--quiet"],
        input="\n".join(lines).encode() + b"\n",
        check=True,
    )
    subprocess.run(["git", "-C", str(repository), "symbolic-ref", "HEAD", "refs/heads/main"], check=True)
    return repository


def test_a_repositorys_history_arrives_as_the_reference_client_tells_it(
    repository: Path, tmp_path: Path
) -> None:
    portal = SimulatedPortal(GitSource(repository), https=True, password="pw")
    with portal.run_in_thread():
        assert portal.ca_file is not None
        collected, _ = plain.run(
            collect_portal(
                portal.url,
                tmp_path / "lake",
                user="admin",
                password="pw",
                ca_file=portal.ca_file,
                feed="git",
                enrich=False,
            )
        )
        drain = [sys.executable, str(Path(__file__).with_name("reference_drain.py"))]
        told = subprocess.run(
            [*drain, str(portal.port), "pw", str(collected.committed)],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
    expected = Counter(_row(json.loads(line)) for line in told.splitlines())
    with connect(tmp_path / "lake") as connection:
        columns = ", ".join(WIRE_FIELDS)
        rows = connection.execute(f"SELECT {columns} FROM events").fetchall()
        assert connection.execute("SELECT count(*) FROM events WHERE extra IS NOT NULL").fetchall() == [(0,)]
    stored = Counter(_row(dict(zip(WIRE_FIELDS, row, strict=True))) for row in rows)
    assert stored == expected
    assert stored.total() == collected.committed > COMMITS


def _row(event: dict[str, object]) -> tuple[object, ...]:
    """Values by field; times, which the store keeps as times, as moments."""
    return tuple(
        datetime.fromisoformat(value)
        if name.endswith(("_timestamp", "_date")) and isinstance(value, str)
        else value
        for name, value in ((name, event[name]) for name in WIRE_FIELDS)
    )
