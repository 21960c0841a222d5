"""Each source behind a Portal: what a client lists is what the source tells."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.sources import DirectorySource, GitSource, ScenarioSource

if TYPE_CHECKING:
    from ctera_insights.simulator import Source


def a_repository(path: Path, commits: int) -> Path:
    """Make a repository in which each commit writes one file, every tenth moves a folder."""
    stream = []
    for n in range(commits):
        stream.append(
            f"commit refs/heads/main\ncommitter A <a@example.com> {1_700_000_000 + n} +0000\ndata 0\n"
        )
        stream.append(f"M 644 inline d{n % 7}/{n}\ndata {len(str(n))}\n{n}\n")
        if n % 10 == 9:
            stream.append(f"R d{n % 7} moved/d{n}\n")
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True)
    subprocess.run(
        ["git", "-C", str(path), "fast-import", "--quiet"], input="".join(stream).encode(), check=True
    )
    return path


def make(kind: str, path: Path) -> Source:
    if kind == "git":
        return GitSource(a_repository(path / "r", 1200))
    if kind == "scenario":
        return ScenarioSource("office", events=5000)
    for n in range(300):
        (path / f"d{n % 20}").mkdir(exist_ok=True)
        (path / f"d{n % 20}/f{n}").write_text("x" * n)
    return DirectorySource(path)


async def drained(portal: SimulatedPortal) -> Counter[bytes]:
    """List everything that there is, as raw entries."""
    found: Counter[bytes] = Counter()
    async with AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        cursor = None
        while True:
            page = await admin.notifications.list_raw(cursor, [])
            body = msgspec.json.decode(page.body)
            found.update(msgspec.json.encode(entry) for entry in body["entries"])
            cursor = body["cursor"]
            if not body["has_more"] and not await admin.notifications.wait_for_changes(cursor, [], 0.1):
                return found


@pytest.mark.parametrize("kind", ["dir", "git", "scenario"])
async def test_a_client_lists_what_the_source_tells(tmp_path: Path, kind: str):
    """Every state once, from the first to the last."""
    source = await asyncio.to_thread(make, kind, tmp_path)
    async with SimulatedPortal(source) as portal:
        found = await drained(portal)
        told = await asyncio.to_thread(lambda: Counter(portal.feed.log()))
        assert found == told
        assert len(told) > 300


@pytest.mark.parametrize("kind", ["git", "scenario"])
async def test_two_portals_tell_the_same(tmp_path: Path, kind: str):
    """The content of a replay is the same in each run, guids included."""
    found = []
    for n in "ab":
        (tmp_path / n).mkdir()
        async with SimulatedPortal(await asyncio.to_thread(make, kind, tmp_path / n)) as portal:
            found.append(await drained(portal))
    assert found[0] == found[1]


def children() -> set[str]:
    """Give the process ids of this process's children."""
    return {pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for child processes in /proc")
async def test_a_replay_left_half_way_leaves_no_program_behind(tmp_path: Path):
    """A Portal that ends before its history does ends git."""
    source = await asyncio.to_thread(make, "git", tmp_path)
    before = await asyncio.to_thread(children)
    async with SimulatedPortal(source) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        page = await admin.notifications.list_raw(None, [])
        await admin.notifications.list_raw(msgspec.json.decode(page.body)["cursor"], [], 10)
        assert await asyncio.to_thread(children) > before
    assert await asyncio.to_thread(children) <= before
