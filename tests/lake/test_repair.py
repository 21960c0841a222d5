"""A store whose log was lost, whole or in part: refused, never begun anew; when repaired, as before."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctera_insights.activity import check_derived, enrich_lake_plain, repair
from ctera_insights.collect import BatchLimits, Collector
from ctera_insights.errors import StoreDamaged, StoreLocked
from ctera_insights.insights.views import connect
from ctera_insights.lake import FeedWriter, Lake, Position, Rejected, maintain, read_position
from ctera_insights.lake.status import feed_names
from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.simulator import Feed, SimulatedPortal, World
from tests.activity.world import content as shown
from tests.lake.conftest import FEED, fill, page
from tests.lake.losses import LOSSES, entries
from tests.lake.test_object_store import options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["options"]  # a fixture

SOME = BatchLimits(rows=25)


def held(lake: Lake) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Position]]:
    """Everything that the raw tables tell, but for the lag."""
    lake = Lake(lake.uri, dict(lake.place.options))
    with connect(lake) as connection:
        raw = [
            connection.sql(f"FROM {view} ORDER BY ALL").to_arrow_table().to_pylist()
            for view in ("events", "quarantine")
        ]
    positions = {
        feed: replace(read_position(lake, feed), lag_s=None, rejected=0) for feed in feed_names(lake)
    }
    return raw[0], raw[1], positions


def lived_in(lake: Lake) -> None:
    """Two feeds, merged files beside those that they replaced, rejected entries, a second epoch."""
    fill(lake, 9)
    fill(lake, 4, rows=2, feed="other")
    maintain(lake.events, everything=True)
    fill(lake, 3)
    with FeedWriter(lake, FEED) as writer:
        writer.commit([page(["y"])], [Rejected(1, "no guid", b"{}")], cursor="y", caught_up=False)
        writer.restart()
        writer.commit([page(["x"])], [Rejected(0, "no guid", b"[]")], cursor="x", caught_up=False)
        writer.commit([page(["z", "z2"])], [], cursor="z", caught_up=True)


def files_in(lake: Lake) -> dict[str, bytes]:
    """Every data file below a lake on a disk, by its name, wherever a repair may have put it."""
    return {
        path.name: path.read_bytes()
        for path in Path(lake.uri).glob("**/*.parquet")
        if "_delta_log" not in str(path)
    }


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_nothing_is_written_over_a_lost_log_and_a_repair_brings_everything_back(
    lake: Lake, loss: Callable[[Path], None]
) -> None:
    """Collecting, deriving and merging refuse, with the way out; no file goes; a repaired store is equal."""
    lived_in(lake)
    before, files = held(lake), files_in(lake)
    loss(Path(lake.uri) / "events")
    for attempt in (
        lambda damaged: FeedWriter(damaged, FEED).__enter__(),
        lambda damaged: FeedWriter(damaged, "a new feed").__enter__(),
        enrich_lake_plain,
    ):
        with pytest.raises(StoreDamaged, match="check --repair"):
            attempt(Lake(lake.uri))
    assert files_in(lake) == files
    told = repair(Lake(lake.uri))
    assert told[0].startswith("events: the log ")
    assert held(lake) == before
    assert files_in(lake) == files
    assert Lake(lake.uri).check() == []
    assert repair(Lake(lake.uri)) == []
    fill(Lake(lake.uri), 1)
    assert Lake(lake.uri).check() == []


@pytest.mark.parametrize("loss", ["whole", "all_files"])
def test_readers_are_told_as_well(lake: Lake, loss: str) -> None:
    """Not that nothing was ever collected."""
    lived_in(lake)
    for table in ("events", "quarantine"):
        LOSSES[loss](Path(lake.uri) / table)
        for read in (Lake.status, Lake.check, connect, lambda damaged: damaged.raw_tables()):
            with pytest.raises(StoreDamaged, match=f"{table} holds .* data file"):
                read(Lake(lake.uri))
        repair(Lake(lake.uri))


def test_a_raw_table_that_is_gone_whole_is_not_begun_anew(lake: Lake) -> None:
    """What was derived from it, or quarantined with it, tells that it was there."""
    lived_in(lake)
    shutil.rmtree(Path(lake.uri) / "events")
    for attempt in (Lake.status, Lake.check, repair, lambda damaged: FeedWriter(damaged, FEED).__enter__()):
        with pytest.raises(StoreDamaged, match="events is gone, while"):
            attempt(Lake(lake.uri))
    assert not (Path(lake.uri) / "events").exists()


def test_one_unfinished_batch_of_each_feed_is_what_a_crash_leaves(lake: Lake) -> None:
    """It is no sign of a lost log, and collecting goes on."""
    fill(lake, 2)
    fill(lake, 2, feed="other")
    for feed in (FEED, "other"):
        with FeedWriter(lake, feed) as writer:
            rows = lake.events.snapshot().dataset().to_table()
            rows = rows.set_column(1, "seq", pa.array(range(7, 7 + len(rows)), pa.int64()))
            rows = rows.set_column(2, "batch", pa.array([3] * len(rows), pa.int64()))
            rows = rows.set_column(0, "feed", pa.array([feed] * len(rows)))
            (orphan,) = lake.events.write(rows, owner=writer._owner, batch=3)
            lake.events.place.publish(orphan.path)
    assert Lake(lake.uri).check() == []
    fill(Lake(lake.uri), 1)
    assert Lake(lake.uri).check() == []


def test_a_lost_log_of_the_quarantine_comes_back_without_half_a_batch(lake: Lake) -> None:
    """Entries that were quarantined before a crash, whose batch was then collected anew, count once."""
    lived_in(lake)
    before = held(lake)
    with FeedWriter(lake, FEED) as writer:
        number = writer.position.batch
        writer._quarantine(
            [Rejected(5, "cut off", b"?")], number + 1, "c", read_position(lake, FEED).committed_at
        )
        writer._quarantine(
            [Rejected(6, "earlier", b"?")], number, "c", read_position(lake, "other").committed_at
        )
    LOSSES["whole"](Path(lake.uri) / "quarantine")
    repair(Lake(lake.uri))
    assert held(lake) == before
    assert Lake(lake.uri).check() == []


def test_newest_entries_lost_by_the_quarantine_are_noticed(lake: Lake) -> None:
    lived_in(lake)
    before = held(lake)
    LOSSES["all_but_the_first"](Path(lake.uri) / "quarantine")
    with pytest.raises(StoreDamaged, match="check --repair"):
        FeedWriter(Lake(lake.uri), FEED).__enter__()
    assert any("quarantine/" in finding.where for finding in Lake(lake.uri).check())
    repair(Lake(lake.uri))
    assert held(lake) == before


def test_a_batch_without_events_comes_back_where_its_log_entry_is_left(lake: Lake) -> None:
    """Otherwise the feed stands where its last event tells, and the Portal tells the rest again."""
    fill(lake, 3)
    with FeedWriter(lake, FEED) as writer:
        writer.commit([], [], cursor="later", caught_up=True)
    entries(Path(lake.uri) / "events")[1].unlink()
    repair(Lake(lake.uri))
    assert read_position(Lake(lake.uri), FEED).cursor == "later"
    LOSSES["whole"](Path(lake.uri) / "events")
    for left in (Path(lake.uri) / "events").glob("_delta_log.before-repair-*"):
        shutil.rmtree(left)
    repair(Lake(lake.uri))
    found = read_position(Lake(lake.uri), FEED)
    assert (found.cursor, found.batch, found.seq) == ("c3", 3, 9)


def test_a_repair_that_was_cut_off_is_done_again_from_what_it_left(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the old log set aside and no new one yet."""
    fill(lake, 3)
    with FeedWriter(lake, FEED) as writer:
        writer.commit([], [], cursor="later", caught_up=True)
    before = held(lake)
    entries(Path(lake.uri) / "events")[1].unlink()

    def cut_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crash:
        crash.setattr("deltalake.transaction.create_table_with_add_actions", cut_off)
        with pytest.raises(KeyboardInterrupt):
            repair(Lake(lake.uri))
    with pytest.raises(StoreDamaged, match="check --repair"):
        FeedWriter(Lake(lake.uri), FEED).__enter__()
    repair(Lake(lake.uri))
    assert held(lake) == before


def test_what_is_none_of_the_tables_is_named_and_left_alone(lake: Lake) -> None:
    """Foreign Parquet, and a file that lies outside a day's directory."""
    fill(lake, 2)
    before = held(lake)
    events = Path(lake.uri) / "events"
    pq.write_table(pa.table({"a": [1]}), events / "strange.parquet")
    data = Path(lake.events.snapshot().files[0].uri)
    shutil.copy(data, events / "flat.parquet")
    LOSSES["whole"](events)
    told = "\n".join(repair(Lake(lake.uri)))
    assert "events/strange.parquet: is not of events" in told
    assert "events/flat.parquet: does not lie in a directory collected_on=" in told
    assert (events / "strange.parquet").exists()
    assert (events / "flat.parquet").exists()
    assert held(lake) == before


def test_a_damaged_file_without_a_log_is_left_out_and_what_it_held_is_told(lake: Lake) -> None:
    fill(lake, 3)
    data = Path(lake.events.snapshot().files[1].uri)
    data.write_bytes(data.read_bytes()[:-100])
    LOSSES["whole"](Path(lake.uri) / "events")
    told = "\n".join(repair(Lake(lake.uri)))
    assert f"{data.name}: cannot be read" in told
    assert "seq 4 to 6 are in no file that can be read" in told
    assert [finding.what for finding in Lake(lake.uri).check()] == ["seq 4 is missing (3 such events)"]
    assert data.name in files_in(lake)


def test_a_damaged_merged_file_is_replaced_by_the_older_ones_while_they_exist(lake: Lake) -> None:
    lived_in(lake)
    before = held(lake)
    largest = max(lake.events.snapshot().files, key=lambda file: file.rows)
    Path(largest.uri).write_bytes(b"gone")
    (finding,) = (found for found in Lake(lake.uri).check() if found.where.endswith(largest.path))
    assert "older files that still exist hold them all" in finding.what
    assert "whose events older files hold" in repair(Lake(lake.uri))[0]
    assert held(lake) == before
    assert Lake(lake.uri).check() == []


def test_a_damaged_file_that_nothing_replaces_is_given_up_on_demand_only(lake: Lake) -> None:
    fill(lake, 3)
    lost = lake.events.snapshot().files[1]
    Path(lost.uri).write_bytes(b"gone")
    assert repair(Lake(lake.uri)) == []
    told = repair(Lake(lake.uri), leave_out_damaged=True)
    assert any("seq 4 to 6 are in no file" in line for line in told)
    with connect(Lake(lake.uri)) as connection:
        assert connection.sql("SELECT count(*) FROM events").fetchall() == [(6,)]


def test_a_store_that_is_being_written_is_not_repaired(lake: Lake) -> None:
    fill(lake, 1)
    with FeedWriter(lake, FEED), pytest.raises(StoreLocked, match="Stop it first"):
        repair(Lake(lake.uri))


def test_a_store_in_a_bucket_is_refused_and_repaired_alike(options: dict[str, str]) -> None:
    lake = Lake("s3://insights/repaired", options)
    fill(lake, 8)
    maintain(lake.events)
    fill(lake, 1)
    with FeedWriter(lake, FEED) as writer:
        writer.commit([page(["y"])], [Rejected(1, "no guid", b"{}")], cursor="y", caught_up=True)
    before = held(lake)
    filesystem = lake.place.filesystem()
    for lose in (("events", 4), ("events", 0), ("quarantine", 0)):
        table, first = lose
        log = [info.path for info in filesystem.get_file_info(_below(f"{table}/_delta_log"))]
        for path in sorted(path for path in log if path.endswith(".json"))[first:]:
            filesystem.delete_file(path)
        with pytest.raises(StoreDamaged, match="check --repair"):
            FeedWriter(Lake(lake.uri, options), FEED).__enter__()
        told = repair(Lake(lake.uri, options))
        assert told[0].startswith(f"{table}: the log ")
        assert held(lake) == before
        assert Lake(lake.uri, options).check() == []
    fill(Lake(lake.uri, options), 1)
    assert Lake(lake.uri, options).check() == []


def _below(path: str) -> Any:
    from pyarrow.fs import FileSelector

    return FileSelector(path)


@pytest.mark.parametrize("loss", ["whole", "newest", "middle"])
def test_collecting_goes_on_exactly_once_behind_a_repair(tmp_path: Path, loss: str) -> None:
    """A repaired store and one that lost nothing hold the same, then and after the next changes."""
    world = World(Feed())
    roots = [world.cloud_folder("Projects"), world.cloud_folder("Finance")]
    folders = [world.create(root, f"d{n}", type="folder") for root in roots for n in range(5)]
    nodes = [world.create(folders[n % 10], f"f{n}", size=n) for n in range(60)]

    def change() -> None:
        for n, node in enumerate(nodes[:40]):
            world.write(node, size=1000 + n)
            world.rename(node, f"{node.name}'")
        world.rename(folders[0], f"{folders[0].name}x")

    lost, kept = Lake(tmp_path / "lost"), Lake(tmp_path / "kept")
    ids = [root.cloud_folder.uid for root in roots]
    with SimulatedPortal(world, password="pw", faults="unreadable:0.02").run_in_thread() as portal:
        asyncio.run(collect(portal.url, lost, ids))
        change()
        asyncio.run(collect(portal.url, lost, ids))
        enrich_lake_plain(lost)
        maintain(lost.events, everything=True)
        asyncio.run(collect(portal.url, lost, ids, resync=True))
        change()
        asyncio.run(collect(portal.url, lost, ids))
        enrich_lake_plain(lost)
        assert lost.status().quarantined
    shutil.copytree(lost.uri, kept.uri)
    with SimulatedPortal(world, password="pw").run_in_thread() as portal:
        for table in ("events", "quarantine", "observations") if loss == "whole" else ("events",):
            if any((tmp_path / "lost" / table).glob("**/*.parquet")):
                LOSSES[loss](tmp_path / "lost" / table)
        repair(Lake(lost.uri))
        lost = Lake(lost.uri)
        assert held(lost) == held(kept)
        assert shown(lost) == shown(kept)
        assert lost.check() == check_derived(lost) == []
        change()
        for lake in (lost, kept):
            asyncio.run(collect(portal.url, lake, ids))
            enrich_lake_plain(lake)
    assert timeless(held(lost)[0]) == timeless(held(kept)[0])
    assert lost.check() == check_derived(lost) == []
    with connect(lost) as one, connect(kept) as other:
        query = "SELECT feed, seq, op, path, old_path, size_delta FROM activity ORDER BY ALL"
        assert one.sql(query).fetchall() == other.sql(query).fetchall()


def timeless(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without what depends on when they were collected, and how divided into batches."""
    left_out = {"collected_at", "collected_on", "batch"}
    return [{name: value for name, value in row.items() if name not in left_out} for row in events]


async def collect(url: str, lake: Lake, folder_ids: list[int], *, resync: bool = False) -> None:
    async with AsyncGlobalAdmin(url) as admin:
        await admin.login("admin", "pw")
        for folder_id in folder_ids:
            await Collector(
                admin.notifications,
                lake,
                f"feed of {folder_id}",
                folder_ids=[folder_id],
                limits=SOME,
                resync=resync,
            ).run()
        await admin.logout()
