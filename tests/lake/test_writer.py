from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable

from ctera_insights.errors import StoreDamaged, StoreFenced, StoreLocked, StoreUnwritable, UsageError
from ctera_insights.lake import FeedWriter, Lake, Rejected, read_position
from ctera_insights.lake.maintain import _merge
from ctera_insights.lake.position import _from_rows
from ctera_insights.model import BASELINE, LIVE
from tests.lake.conftest import FEED, fill, page

if TYPE_CHECKING:
    from collections.abc import Callable


def rows(lake: Lake) -> list[dict[str, object]]:
    table = lake.events.snapshot().dataset().to_table().sort_by("seq")
    return list(table.to_pylist())


def test_a_batch_brings_rows_cursor_and_numbers_together(lake: Lake) -> None:
    """What a reader sees of a batch: its rows in the order served, numbered, with the cursor behind them."""
    with FeedWriter(lake, FEED) as writer:
        writer.commit([page(["a", "b"]), page(["c"])], [], cursor="c1", caught_up=False)
        position = writer.commit([page(["d"])], [], cursor="c2", caught_up=True)
    found = rows(lake)
    assert [row["guid"] for row in found] == ["a", "b", "c", "d"]
    assert [row["seq"] for row in found] == [1, 2, 3, 4]
    assert [row["batch"] for row in found] == [1, 1, 1, 2]
    assert [row["cursor"] for row in found] == ["c1", "c1", "c1", "c2"]
    assert [row["phase"] for row in found] == [BASELINE] * 4
    assert (position.cursor, position.batch, position.seq, position.phase) == ("c2", 2, 4, LIVE)


def test_a_new_writer_goes_on_where_the_last_one_ended(lake: Lake) -> None:
    """Position is read back from the table, by another process or the same."""
    fill(lake, 3)
    again = Lake(lake.uri)
    with FeedWriter(again, FEED) as writer:
        assert (writer.position.cursor, writer.position.batch, writer.position.seq) == ("c3", 3, 9)


def test_a_batch_without_rows_moves_the_cursor(lake: Lake) -> None:
    """An empty page's cursor is kept, without a file."""
    fill(lake, 1)
    with FeedWriter(lake, FEED) as writer:
        writer.commit([], [], cursor="later", caught_up=True)
    assert read_position(Lake(lake.uri), FEED).cursor == "later"
    assert len(lake.events.snapshot().files) == 1


def test_a_resync_begins_a_new_epoch_and_keeps_the_numbers_running(lake: Lake) -> None:
    fill(lake, 2)
    with FeedWriter(lake, FEED) as writer:
        writer.restart()
        assert (writer.position.cursor, writer.position.epoch, writer.position.phase) == (None, 2, BASELINE)
        writer.commit([page(["x"])], [], cursor="n1", caught_up=True)
    last = rows(lake)[-1]
    assert (last["seq"], last["batch"], last["epoch"], last["phase"]) == (7, 3, 2, BASELINE)


def test_the_cursor_survives_the_expiry_of_the_log_entry_that_told_it(lake: Lake) -> None:
    """With only a checkpoint left, the rows of the last batch tell where the feed stands."""
    fill(lake, 5)
    told = read_position(lake, FEED)
    table = DeltaTable(lake.events.place.uri)
    table.create_checkpoint()
    for entry in (Path(lake.uri) / "events/_delta_log").glob("*.json"):
        if int(entry.stem) < table.version():
            entry.unlink()
    newest = Path(lake.uri) / f"events/_delta_log/{table.version():020d}.json"
    lines = [json.loads(line) for line in newest.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            line["commitInfo"] = {"timestamp": line["commitInfo"]["timestamp"], "operation": "WRITE"}
    newest.write_text("\n".join(map(json.dumps, lines)))
    found = read_position(Lake(lake.uri), FEED)
    assert (found.cursor, found.batch, found.seq, found.phase) == (told.cursor, 5, told.seq, told.phase)


def test_a_feed_whose_cursor_is_gone_is_damage_not_a_silent_restart(lake: Lake) -> None:
    with FeedWriter(lake, FEED) as writer:
        writer.commit([], [], cursor="c1", caught_up=True)
    table = DeltaTable(lake.events.place.uri)
    newest = Path(lake.uri) / f"events/_delta_log/{table.version():020d}.json"
    newest.write_text(newest.read_text().replace('"feed"', '"was"'))
    with pytest.raises(StoreDamaged, match="--resync"):
        read_position(Lake(lake.uri), FEED)


def test_a_second_writer_of_a_feed_is_told_before_it_reads_anything(lake: Lake) -> None:
    with FeedWriter(lake, FEED), pytest.raises(StoreLocked, match="Another process"):
        FeedWriter(Lake(lake.uri), FEED).__enter__()
    with FeedWriter(lake, FEED), FeedWriter(Lake(lake.uri), "another feed") as other:
        other.commit([page(["a"])], [], cursor="o1", caught_up=True)


def test_a_writer_that_slipped_past_the_lock_is_fenced_and_leaves_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lock (another machine), Delta's transaction number decides, and the loser's file goes."""
    fill(lake, 1)
    first, second = FeedWriter(lake, FEED), FeedWriter(Lake(lake.uri), FEED)
    with first:
        monkeypatch.setattr(type(second.lake.locks), "writer", lambda *_: _Unlocked())
        second.__enter__()
        first.commit([page(["a"])], [], cursor="c2", caught_up=True)
        with pytest.raises(StoreFenced, match="another writer"):
            second.commit([page(["a"])], [], cursor="c2", caught_up=True)
    assert [row["guid"] for row in rows(lake)].count("a") == 1
    assert len(list(lake.events.place.files())) == len(lake.events.snapshot().files)


class _Unlocked:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def test_many_feeds_write_to_one_lake_at_the_same_time(lake: Lake) -> None:
    """Each process keeps its own numbers; nobody's commit is lost."""
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=fill, args=(lake, 20, 2, f"feed {n}")) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    status = lake.status()
    assert {feed.feed: feed.position.seq for feed in status.feeds} == {f"feed {n}": 40 for n in range(3)}
    assert lake.check() == []


def test_an_orphan_of_a_crash_is_removed_by_the_next_writer(lake: Lake) -> None:
    """A file that was renamed into place, but not committed, is not left for a glob to find."""
    fill(lake, 1)
    with FeedWriter(lake, FEED) as writer:
        orphan = lake.events.write(
            lake.events.snapshot().dataset().to_table(), FEED, owner=writer._owner, batch=2
        )
        lake.events.place.publish(orphan[0].path)
        staged = lake.events.write(
            lake.events.snapshot().dataset().to_table(), FEED, owner=writer._owner, batch=2
        )
    assert len(list(lake.events.place.files())) == 2
    with FeedWriter(Lake(lake.uri), FEED):
        pass
    assert [path for path, _, _ in lake.events.place.files()] == [
        f.path for f in lake.events.snapshot().files
    ]
    assert not (Path(lake.uri) / "events/_staging" / staged[0].path.rpartition("/")[2]).exists()


def test_rejects_are_quarantined_with_their_batch(lake: Lake) -> None:
    with FeedWriter(lake, FEED) as writer:
        writer.commit([page(["a"])], [Rejected(1, "no guid", b'{"x": 1}')], cursor="c1", caught_up=True)
    (kept,) = lake.quarantine.snapshot().dataset().to_table().to_pylist()
    assert (kept["batch"], kept["position"], kept["reason"], kept["raw"]) == (1, 1, "no guid", b'{"x": 1}')
    assert lake.status().quarantined == 1


def test_a_quarantine_that_is_gone_is_told(lake: Lake) -> None:
    """Each commit tells how many entries went there up to then."""
    with FeedWriter(lake, FEED) as writer:
        for number, name in enumerate("ab"):
            reject = Rejected(1, "no guid", b"{}")
            writer.commit([page([name])], [reject], cursor=f"c{number}", caught_up=True)
    assert lake.check() == []
    shutil.rmtree(Path(lake.uri) / "quarantine")
    (finding,) = Lake(lake.uri).check()
    assert str(finding).startswith("quarantine: lacks 2 entries")


def test_half_a_batch_in_quarantine_is_undone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the quarantine's commit and the batch's own leaves nothing twice."""
    fill(lake, 1)
    with FeedWriter(lake, FEED) as writer, monkeypatch.context() as broken:
        broken.setattr(type(lake.events), "append", _crash_on(lake.events.name, type(lake.events).append))
        with pytest.raises(KeyboardInterrupt):
            writer.commit([page(["a"])], [Rejected(0, "bad", b"x")], cursor="c2", caught_up=True)
    assert lake.quarantine.snapshot().rows == 1
    notes: list[str] = []
    assert lake.check(None, notes.append) == []  # no damage, and not silent
    assert any("the next one removes them" in note for note in notes)
    with FeedWriter(lake, FEED) as writer:
        assert lake.quarantine.snapshot().rows == 0
        writer.commit([page(["a"])], [Rejected(0, "bad", b"x")], cursor="c2", caught_up=True)
    assert (lake.status().quarantined, lake.status().events) == (1, 4)
    assert lake.check() == []


def _crash_on(name: str, append: Callable[..., int]) -> Callable[..., int]:
    def crash(table, *args, **kwargs):
        if table.name == name:
            raise KeyboardInterrupt
        return append(table, *args, **kwargs)

    return crash


def test_the_data_is_on_the_disk_before_the_log_names_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order of flushes of one commit: data file, its directory, log entry, log directory."""
    fill(lake, 1)
    flushed: list[str] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    fill(lake, 1)
    data, day, entry, log = flushed
    assert data.endswith(".parquet")
    assert day.startswith("collected_on=")
    assert entry.endswith(".json")
    assert log == "_delta_log"


def test_a_disk_without_room_is_a_clear_error_and_loses_nothing(lake: Lake) -> None:
    """A write that the system refuses ends the batch; what was committed before is whole."""
    fill(lake, 2)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with FeedWriter(lake, FEED) as writer:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
            with pytest.raises(StoreUnwritable, match="Everything committed before is safe"):
                writer.commit([page(map(str, range(500)))], [], cursor="c3", caught_up=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert lake.check() == []
    fill(lake, 1)
    assert [row["batch"] for row in rows(lake)][-1] == 3


def test_a_directory_that_may_not_be_written_is_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(StoreUnwritable, match="Cannot write"):
        FeedWriter(Lake(blocked), FEED).__enter__()


@pytest.mark.parametrize("name", ["a%41", "50%20off", "caf\udce9"])
def test_a_directory_that_the_delta_library_would_mistake_is_refused(tmp_path: Path, name: str) -> None:
    """The log would be written into another directory than the data."""
    with pytest.raises(UsageError, match="another directory"):
        Lake(tmp_path / name)


@pytest.mark.parametrize("name", ["50% off", "a#b?c", "\u00fc \u2713", "100%", "a+b&c"])
def test_a_directory_may_have_any_other_name(tmp_path: Path, name: str) -> None:
    lake = Lake(tmp_path / name)
    fill(lake, 2)
    assert lake.check() == []
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_last_events_of_a_feed_are_found_behind_files_of_others_around_it(lake: Lake) -> None:
    """A merged file of the feeds a and c covers b by its bounds, and may hold none of it."""
    fill(lake, 2, feed="b")
    before = read_position(lake, "b")
    for feed in ("a", "c"):
        fill(lake, 5, feed=feed)
    _merge(lake.events, [file for file in lake.events.snapshot().files if file.min["batch"] > 2])
    found = _from_rows(lake, "b", before.batch)
    assert (found.cursor, found.seq, found.batch) == (before.cursor, before.seq, before.batch)
