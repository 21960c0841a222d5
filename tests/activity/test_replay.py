"""Real histories: of repositories made by git, and of a directory that a script changes."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ctera_insights.activity import enrich_lake_plain
from ctera_insights.collect import BatchLimits, Collector
from ctera_insights.lake import Lake
from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.sources.directory import DirectorySource
from ctera_insights.simulator.sources.git import GitSource
from tests.activity.world import connect, rows

if TYPE_CHECKING:
    from pathlib import Path

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
WORDS = ["src", "docs", "a b", "caf\u00e9", "\U0001f4c1", "x" * 200, "it's", "Readme", "README"]


def git(repo: Path, *arguments: str, when: int = 0) -> str:
    clock = f"{when} +0000"
    return subprocess.run(
        ["git", "-C", str(repo), "-c", "core.quotepath=off", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "GIT_COMMITTER_DATE": clock,
            "GIT_AUTHOR_DATE": clock,
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "A"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "a@example.com"),
        },
    ).stdout


def grow(repo: Path, lots: random.Random, commits: int) -> None:
    """A history of files made, written, renamed, moved and deleted, alone and by the folder."""
    repo.mkdir()
    git(repo, "init", "-q")
    for number in range(commits):
        for _ in range(lots.randint(1, 5)):
            files = [path for path in repo.rglob("*") if path.is_file() and ".git" not in path.parts]
            folders = [repo, *sorted({path.parent for path in files} - {repo})]
            chance = lots.random()
            where = lots.choice(folders) / f"{lots.choice(WORDS)} {lots.randrange(20)}"
            if chance < 0.45 or len(files) < 6:
                if where.exists():
                    continue
                where.mkdir()
                for name in lots.sample(WORDS, 2):
                    (where / f"{name}.txt").write_text("".join(f"{lots.random()}\n" for _ in range(20)))
            elif chance < 0.55:
                with lots.choice(sorted(files)).open("a") as file:
                    file.write(f"{number}\n")
            elif chance < 0.65:
                lots.choice(sorted(files)).unlink()
            else:
                source = lots.choice(folders[1:] if chance > 0.8 else sorted(files))
                if not where.exists() and source != where.parent and source not in where.parents:
                    source.rename(where)
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "--allow-empty", "-m", "c", when=1_600_000_000 + 60 * number)


def listing(repo: Path, commit: str) -> set[str]:
    return {path for path in git(repo, "ls-tree", "-r", "-z", "--name-only", commit).split("\0") if path}


async def drain(portal: SimulatedPortal, lake: Lake, feed: str, limits: BatchLimits | None = None) -> None:
    async with AsyncGlobalAdmin(portal.url) as admin:
        await admin.login("admin", "pw")
        await Collector(admin.notifications, lake, feed, limits=limits).run()


@pytest.mark.parametrize("seed", range(2 * SCALE))
def test_every_event_of_a_repository_has_the_path_that_git_had(tmp_path: Path, seed: int) -> None:
    """At each commit, and the living files at the last one are those of `git ls-tree -r`."""
    lots = random.Random(seed)
    repo = tmp_path / "repo"
    grow(repo, lots, 40)
    lake = Lake(tmp_path / "lake")
    with SimulatedPortal(GitSource(repo), password="pw").run_in_thread() as portal:
        asyncio.run(drain(portal, lake, "git", BatchLimits(rows=lots.choice([10, 1000]))))
    enrich_lake_plain(lake, step_rows=lots.choice([20, 1000]))
    told = defaultdict(list)
    for row in rows(lake, "SELECT * FROM activity WHERE type = 'file' ORDER BY seq"):
        told[row["at"]].append(row)
    before: set[str] = set()
    for commit in git(repo, "log", "--first-parent", "--reverse", "--format=%H %ct").splitlines():
        sha, seconds = commit.split()
        now = listing(repo, sha)
        changed = told.pop(datetime.fromtimestamp(int(seconds), UTC), [])
        for row in changed:
            path = row["path"].removeprefix("repo/")
            assert path in (before if row["op"] == "deleted" else now)
        before = now
    assert not told
    living = {
        row["path"].removeprefix("repo/")
        for row in rows(lake, "SELECT path FROM objects WHERE type = 'file' AND NOT deleted")
    }
    assert living == before
    folders = {row["op"] for row in rows(lake, "SELECT op FROM activity WHERE type <> 'file'")}
    assert "created" in folders
    assert folders & {"renamed", "moved"}


def test_a_directory_changed_by_a_script_is_what_os_walk_finds(tmp_path: Path) -> None:
    """Objects equal the walk, and the operations are those of the script."""
    home = tmp_path / "share"
    (home / "old").mkdir(parents=True)
    (home / "old" / "kept.txt").write_text("kept")
    (home / "gone.txt").write_text("gone")
    lake = Lake(tmp_path / "lake")
    odd = "caf\u00e9 \U0001f4c1\n.txt"
    steps = [
        lambda: (home / "new.txt").write_text("one"),
        lambda: (home / "new.txt").write_text("longer"),
        lambda: (home / "new.txt").rename(home / "old" / "moved.txt"),
        lambda: (home / "old").rename(home / "renamed"),
        lambda: (home / "renamed" / "deep" / "er").mkdir(parents=True),
        lambda: (home / "renamed" / "deep" / "er" / odd).write_text("x"),
        (home / "gone.txt").unlink,
    ]
    with SimulatedPortal(DirectorySource(home), password="pw").run_in_thread() as portal:
        for step in (lambda: None, *steps):
            step()
            deadline = time.monotonic() + 30
            while True:
                asyncio.run(drain(portal, lake, "dir"))
                enrich_lake_plain(lake)
                if living(lake) == walk(home):
                    break
                assert time.monotonic() < deadline
    found = rows(lake, "SELECT op, path, old_path FROM activity WHERE phase = 'live' AND op <> 'modified'")
    done = {(row["op"], row["path"], row["old_path"]) for row in found}
    assert done >= {
        ("created", "share/new.txt", None),
        ("moved", "share/old/moved.txt", "share/new.txt"),
        ("renamed", "share/renamed", "share/old"),
        ("created", "share/renamed/deep/er", None),
        ("created", f"share/renamed/deep/er/{odd}", None),
        ("deleted", "share/gone.txt", None),
    }
    assert {op for op, _, _ in done} <= {"created", "moved", "renamed", "deleted", "unchanged"}


def living(lake: Lake) -> set[tuple[str, int]]:
    with connect(lake) as connection:
        return set(
            connection.sql(
                "SELECT path, if(type = 'file', size, 0) FROM objects WHERE NOT deleted AND depth > 0"
            ).fetchall()
        )


def walk(home: Path) -> set[tuple[str, int]]:
    return {
        (f"share/{path.relative_to(home)}", path.stat().st_size if path.is_file() else 0)
        for path in home.rglob("*")
    }
