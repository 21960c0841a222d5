"""What is true after a commit on a disk that failed, or seemed to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ctera_insights.errors import CommitUnclear, StoreDamaged, StoreFenced, StoreUnwritable
from ctera_insights.lake import FeedWriter, Lake, Rejected, maintain
from ctera_insights.lake.commit import _Attempt
from ctera_insights.lake.named import read_named
from tests.lake.conftest import FEED, fill, page

if TYPE_CHECKING:
    from collections.abc import Callable

LINK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <stdlib.h>

/* The server made the link, and its answer was lost: the client asks again, and is told that it exists. */
static int said(const char *to, int result) {
    static int times;
    const char *table = getenv("LOST_LINK_IN");
    if (result == 0 && table && strstr(to, table) && strstr(to, "/_delta_log/") && times++ % 2 == 0) {
        errno = EEXIST;
        return -1;
    }
    return result;
}

int link(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "link");
    return said(to, real(from, to));
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    int (*real)(int, const char *, int, const char *, int) = dlsym(RTLD_NEXT, "linkat");
    return said(to, real(a, from, b, to, flags));
}
"""


def content(lake: Lake) -> list[tuple[int, int, str]]:
    rows = Lake(lake.uri).events.snapshot().dataset().to_table(columns=["seq", "batch", "guid"])
    return sorted((row["seq"], row["batch"], row["guid"]) for row in rows.to_pylist())


def expected(tmp_path: Path, batches: int) -> list[tuple[int, int, str]]:
    sound = Lake(tmp_path / "sound")
    fill(sound, batches)
    return content(sound)


def commit_next(writer: FeedWriter, rejects: int = 0) -> None:
    number = writer.position.batch + 1
    writer.commit(
        [page(f"{number}:{row}" for row in range(3))],
        [Rejected(n, "bad", b"x") for n in range(rejects)],
        cursor=f"c{number}",
        caught_up=True,
    )


def lying(lake: Lake) -> set[str]:
    return {path for path, _, _ in lake.events.place.files()}


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("table", ["events", "quarantine"])
def test_a_link_that_was_made_and_denied_counts_once(lake: Lake, tmp_path: Path, table: str) -> None:
    """As on NFS: EEXIST after the link was made. Each second entry of the log meets it."""
    source, shim = tmp_path / "link.c", tmp_path / "link.so"
    source.write_text(LINK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    child = (
        "import sys\n"
        "from ctera_insights.lake import FeedWriter, Lake, maintain\n"
        "from tests.lake.conftest import FEED\n"
        "from tests.lake.test_commit import commit_next\n"
        "lake = Lake(sys.argv[1])\n"
        "with FeedWriter(lake, FEED) as writer:\n"
        "    for _ in range(9):\n"
        "        commit_next(writer, rejects=1)\n"
        "done = [maintain(table, everything=True, keep_replaced_hours=0) for table in lake.raw_tables()]\n"
        "assert [each.into for each in done] == [1, 1], done\n"
    )
    subprocess.run(
        [sys.executable, "-c", child, lake.uri],
        check=True,
        env={
            **os.environ,
            "LD_PRELOAD": str(shim),
            "LOST_LINK_IN": f"/{table}/",
            "PYTHONPATH": str(Path.cwd()),
        },
    )
    assert content(lake) == expected(tmp_path, 9)
    assert lake.status().quarantined == 9
    assert lake.check() == []


def _twice(attempt: Callable[[_Attempt], None]) -> Callable[[_Attempt], None]:
    def work(self: _Attempt) -> None:
        attempt(self)
        attempt(self)  # meets what it has just written, and is refused

    return work


def test_a_commit_that_meets_itself_is_done(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches, their rejects, and a merge."""
    monkeypatch.setattr(_Attempt, "_try", _twice(_Attempt._try))
    with FeedWriter(lake, FEED) as writer:
        for _ in range(3):
            commit_next(writer, rejects=1)
    assert maintain(lake.events, everything=True).into == 1
    assert content(lake) == expected(tmp_path, 3)
    assert lake.status().quarantined == 3
    assert lake.check() == []


def test_a_refused_commit_leaves_nothing_and_the_next_one_goes_on(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the log entry is written: neither a file nor a quarantined entry stays."""

    def full(self: _Attempt) -> None:
        if self._table.name == "events":
            raise OSError(28, "No space left on device")
        attempt(self)

    attempt = _Attempt._try
    fill(lake, 1)
    with FeedWriter(lake, FEED) as writer:
        with monkeypatch.context() as broken:
            broken.setattr(_Attempt, "_try", full)
            with pytest.raises(StoreUnwritable, match="No space left"):
                commit_next(writer, rejects=2)
        assert lying(lake) == {file.path for file in lake.events.snapshot().files}
        assert lake.status().quarantined == 0
        commit_next(writer, rejects=2)
    assert content(lake) == expected(tmp_path, 2)
    assert lake.status().quarantined == 2
    assert lake.check() == []


def test_an_entry_that_may_not_survive_a_loss_of_power_is_said_to_be_unclear(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flush of the entry fails: its files stay, for it stands in the log."""
    fill(lake, 1)
    sync = type(lake.place).sync

    def broken(place, *paths: str) -> None:
        if any(path.endswith(".json") for path in paths):
            raise StoreUnwritable("Input/output error")
        sync(place, *paths)

    with FeedWriter(lake, FEED) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(type(lake.place), "sync", broken)
            with pytest.raises(CommitUnclear, match="Nothing was removed"):
                commit_next(writer)
        with pytest.raises(CommitUnclear, match="Start again"):
            commit_next(writer)
    fill(Lake(lake.uri), 1)
    assert content(lake) == expected(tmp_path, 3)
    assert lake.check() == []


def test_a_log_that_cannot_be_read_after_a_failure_keeps_the_files(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the entry is there is not known; the next start finds it there."""
    monkeypatch.setattr("ctera_insights.lake.commit.SETTLE_S", 0.5)

    def unreadable(*_: object, **__: object) -> bool:
        raise OSError(5, "Input/output error")

    fill(lake, 1)
    with FeedWriter(lake, FEED) as writer, monkeypatch.context() as patch:
        patch.setattr(_Attempt, "_try", _twice(_Attempt._try))
        patch.setattr("ctera_insights.lake.commit.has_mark", unreadable)
        with pytest.raises(CommitUnclear, match="did not tell whether it took batch 2"):
            commit_next(writer)
    fill(Lake(lake.uri), 1)
    assert content(lake) == expected(tmp_path, 3)
    assert lake.check() == []


def test_a_log_put_back_under_a_running_writer_is_damage(lake: Lake) -> None:
    """Its next entry would leave a gap behind the older log."""
    log = Path(lake.uri) / "events/_delta_log"
    with FeedWriter(lake, FEED) as writer:
        commit_next(writer)
        shutil.copytree(log, log.with_name("saved"))
        commit_next(writer)
        commit_next(writer)
        shutil.rmtree(log)
        log.with_name("saved").rename(log)
        with pytest.raises(StoreDamaged):
            commit_next(writer)
        with pytest.raises(StoreDamaged, match="put back or replaced"):
            lake.events.commit([], app_id="another", version=1)
    assert sorted(path.name for path in log.glob("*.json")) == [f"{n:020d}.json" for n in range(2)]
    assert len(lying(lake)) == 3


def test_two_writers_of_other_streams_do_not_fence_each_other(lake: Lake) -> None:
    """Each stands on an older version than the other wrote."""
    with FeedWriter(lake, "one") as one, FeedWriter(Lake(lake.uri), "two") as two:
        for _ in range(3):
            commit_next(one)
            commit_next(two)
    assert {feed.feed: feed.position.batch for feed in lake.status().feeds} == {"one": 3, "two": 3}
    assert lake.check() == []


def test_a_replacement_of_what_another_replaced_is_fenced_and_withdrawn(lake: Lake) -> None:
    fill(lake, 3)
    other = Lake(lake.uri).events
    files = other.snapshot().files
    rows = other.snapshot().dataset().to_table()
    maintain(lake.events, everything=True)
    for _ in range(2):  # on the old version, and on the newest one
        with pytest.raises(StoreFenced, match="replaced"):
            other.replace(files, [rows], app_id="someone else", version=1)
        other.delta(refresh=True)
    assert len(lake.events.snapshot().files) == 1
    assert lying(lake) == set(
        read_named(lake.events.place).live | set(read_named(lake.events.place).replaced)
    )
    assert lake.check() == []
