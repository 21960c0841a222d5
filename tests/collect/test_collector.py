from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ctera_insights.collect import BatchLimits, Collector, Progress, feed_name
from ctera_insights.errors import CursorRefused, PortalUnreachable, StoreUnwritable, UsageError
from ctera_insights.lake import Lake
from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy, Timeouts
from ctera_insights.simulator import Faults, Feed, SimulatedPortal, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = RetryPolicy(attempts=None, base_s=0.01, cap_s=0.05, retry_after_cap_s=0.05)


@pytest.fixture
def world() -> World:
    world = World(Feed())
    root = world.cloud_folder("Projects")
    for number in range(30):
        world.create(root, f"file {number}", size=number)
    return world


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
async def portal(world: World) -> AsyncIterator[SimulatedPortal]:
    async with SimulatedPortal(world, password="pw") as portal:
        yield portal


@pytest.fixture
async def admin(portal: SimulatedPortal) -> AsyncIterator[AsyncGlobalAdmin]:
    timeouts = Timeouts(read_s=1, longpoll_s=0.3, longpoll_margin_s=0.5)
    async with AsyncGlobalAdmin(portal.url, retries=QUICK, timeouts=timeouts) as admin:
        await admin.login("admin", "pw")
        yield admin


async def guids(lake: Lake) -> list[str]:
    table = await asyncio.to_thread(lambda: lake.events.snapshot().dataset().to_table().sort_by("seq"))
    return list(table["guid"].to_pylist())


async def until(condition, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- what is waited for is progress, not an event of ours
            await asyncio.sleep(0.01)


async def test_a_drain_brings_the_inventory_then_what_changed(
    admin: AsyncGlobalAdmin, world: World, lake: Lake
) -> None:
    """The first drain is a baseline; the next ones bring live changes only, in the order they happened."""
    first = await Collector(admin.notifications, lake, "f").run()
    assert (first.committed, first.batches, first.phase, first.caught_up) == (31, 1, "live", True)
    renamed = world.find("Projects/file 3")
    assert renamed is not None
    world.rename(renamed, "another name")
    world.delete(renamed)
    second = await Collector(admin.notifications, lake, "f").run()
    assert second.committed == 2
    third = await Collector(admin.notifications, lake, "f").run()
    assert (third.committed, third.batches) == (0, 0)
    table = await asyncio.to_thread(lambda: lake.events.snapshot().dataset().to_table().sort_by("seq"))
    assert table["phase"].to_pylist() == ["baseline"] * 31 + ["live"] * 2
    assert table["name"].to_pylist()[-2:] == ["another name"] * 2
    assert table["deleted"].to_pylist()[-2:] == [False, True]


async def test_an_interrupted_inventory_goes_on_as_an_inventory(
    admin: AsyncGlobalAdmin, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small pages, stopped in the middle: the rest of the listing is still baseline."""
    monkeypatch.setattr("ctera_insights.collect.PAGE_EVENTS", 10)
    collector = Collector(admin.notifications, lake, "f", limits=BatchLimits(rows=10))
    running = asyncio.create_task(collector.run())
    await until(lambda: collector.progress.committed >= 10)
    collector.stop()
    await running
    assert collector.progress.committed >= 10
    await Collector(admin.notifications, lake, "f").run()
    table = await asyncio.to_thread(lambda: lake.events.snapshot().dataset().to_table())
    assert set(table["phase"].to_pylist()) == {"baseline"}
    assert len(set(table["guid"].to_pylist())) == len(table) == 31


async def test_following_commits_changes_as_they_age_and_ends_when_stopped(
    admin: AsyncGlobalAdmin, world: World, lake: Lake
) -> None:
    collector = Collector(admin.notifications, lake, "f", follow=True, limits=BatchLimits(seconds=0.2))
    running = asyncio.create_task(collector.run())
    await until(lambda: collector.progress.committed == 31)
    changed = world.find("Projects/file 5")
    assert changed is not None
    world.write(changed, size=99)
    await until(lambda: collector.progress.committed == 32)
    assert not running.done()
    assert collector.progress.lag_s is not None
    world.write(changed, size=100)
    await until(lambda: collector.progress.events == 33)
    collector.stop()
    final = await running
    assert final.committed == 33  # what was read is committed before the end


async def test_a_deadline_ends_a_collection(admin: AsyncGlobalAdmin, lake: Lake) -> None:
    async with asyncio.timeout(5):
        final = await Collector(admin.notifications, lake, "f", deadline_s=0.5).run()
    assert final.committed == 31


async def test_batches_are_sealed_by_rows_and_by_bytes(
    admin: AsyncGlobalAdmin, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctera_insights.collect.PAGE_EVENTS", 5)
    by_rows = await Collector(admin.notifications, lake, "rows", limits=BatchLimits(rows=10)).run()
    by_bytes = await Collector(admin.notifications, lake, "bytes", limits=BatchLimits(bytes=1)).run()
    assert (by_rows.batches, by_bytes.batches) == (4, 7)


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"bytes": 0}, {"seconds": 0}, {"seconds": float("nan")}])
def test_a_batch_that_could_never_hold_anything_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        BatchLimits(**wrong)


FAULTS = [
    "status:500:0.2:on=list+longpoll",
    "status:503:0.2:on=list:retry_after=1",
    "status:429:0.2:on=list:retry_after=1",
    "html:0.2:on=list+longpoll",
    "empty:0.2:on=list+longpoll",
    "cut:0.2:on=list+longpoll",
    "reset:0.2:on=list+longpoll",
    "close:0.2:on=list+longpoll",
    "stall:0.1:on=list",
    "redirect:0.2:to=each:on=list+longpoll",
    "kill-session:every=7",
    "early:0.5:on=longpoll",
    "unknown-key:0.3,missing-key:0.3,null:0.3",
]


@pytest.mark.parametrize("faults", FAULTS)
async def test_a_portal_in_trouble_costs_time_and_no_event(
    faults: str, world: World, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the Portal does to the answers, each state arrives once."""
    monkeypatch.setattr("ctera_insights.collect.PAGE_EVENTS", 2)
    timeouts = Timeouts(read_s=0.3, longpoll_s=0.3, longpoll_margin_s=0.5)
    async with (
        SimulatedPortal(world, password="pw", faults=faults) as portal,
        AsyncGlobalAdmin(portal.url, retries=QUICK, timeouts=timeouts) as admin,
    ):
        await admin.login("admin", "pw")
        final = await Collector(admin.notifications, lake, "f", limits=BatchLimits(rows=5)).run()
    found = await guids(lake)
    assert final.quarantined == 0
    assert len(found) == len(set(found)) == 31
    assert await asyncio.to_thread(lake.check) == []


async def test_unreadable_entries_are_quarantined_and_the_feed_goes_on(world: World, lake: Lake) -> None:
    async with (
        SimulatedPortal(world, password="pw", faults="unreadable:limit=3") as portal,
        AsyncGlobalAdmin(portal.url) as admin,
    ):
        await admin.login("admin", "pw")
        final = await Collector(admin.notifications, lake, "f").run()
    assert (final.committed, final.quarantined) == (28, 3)
    assert (await asyncio.to_thread(lake.status)).quarantined == 3


async def test_a_refused_cursor_ends_the_run_and_a_resync_begins_anew(
    admin: AsyncGlobalAdmin, lake: Lake
) -> None:
    await Collector(admin.notifications, lake, "f").run()
    stranger = World(Feed())
    stranger.create(stranger.cloud_folder("New"), "file")
    async with SimulatedPortal(stranger, password="pw") as other, AsyncGlobalAdmin(other.url) as client:
        await client.login("admin", "pw")
        with pytest.raises(CursorRefused, match="cursor"):
            await Collector(client.notifications, lake, "f").run()
        await Collector(client.notifications, lake, "f", resync=True).run()
    table = await asyncio.to_thread(lambda: lake.events.snapshot().dataset().to_table().sort_by("seq"))
    assert table["epoch"].to_pylist() == [1] * 31 + [2] * 2
    assert await asyncio.to_thread(lake.check) == []


async def test_a_portal_that_goes_away_ends_the_run_with_what_was_read_committed(
    world: World, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctera_insights.collect.PAGE_EVENTS", 10)
    few = RetryPolicy(attempts=2, base_s=0.01)
    async with (
        SimulatedPortal(world, password="pw") as portal,
        AsyncGlobalAdmin(portal.url, retries=few) as admin,
    ):
        await admin.login("admin", "pw")

        def break_down(progress: Progress) -> None:
            if progress.events:
                portal.faults = Faults.parse("close:on=list")

        collector = Collector(admin.notifications, lake, "f", progress=break_down)
        with pytest.raises(PortalUnreachable):
            await collector.run()
    assert 0 < collector.progress.events == len(await guids(lake)) < 31


async def test_a_lake_that_refuses_ends_the_run_at_once(
    admin: AsyncGlobalAdmin, world: World, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while following a quiet feed: the failed commit is not found out at the next change only."""
    collector = Collector(admin.notifications, lake, "f", follow=True, limits=BatchLimits(seconds=0.1))
    running = asyncio.create_task(collector.run())
    await until(lambda: collector.progress.committed == 31)

    def full(*_: object, **__: object) -> None:
        raise StoreUnwritable("the disk is full")

    monkeypatch.setattr("ctera_insights.lake.writer.FeedWriter.commit", full)
    changed = world.find("Projects/file 5")
    assert changed is not None
    world.write(changed, size=1)
    async with asyncio.timeout(5):
        with pytest.raises(StoreUnwritable, match="disk is full"):
            await running


async def test_progress_tells_what_is_being_retried(world: World, lake: Lake) -> None:
    seen: list[Progress] = []
    collector: Collector | None = None

    def on_retry(error: Exception, wait_s: float) -> None:
        if collector:
            collector.trouble(error, wait_s)

    async with (
        SimulatedPortal(world, password="pw", faults="status:503:on=list:limit=1:retry_after=none") as portal,
        AsyncGlobalAdmin(portal.url, retries=QUICK, on_retry=on_retry) as admin,
    ):
        await admin.login("admin", "pw")
        collector = Collector(admin.notifications, lake, "f", progress=seen.append)
        await collector.run()
    assert any("503" in progress.trouble for progress in seen)
    assert seen[-1].trouble == ""


def test_the_feed_names_portal_context_and_folders() -> None:
    assert feed_name("https://portal.example/", "admin") == "portal.example/admin"
    many = feed_name("https://portal.example", "ServicesPortal", range(20))
    assert many.startswith("portal.example/ServicesPortal/20-folders-")
    assert many != feed_name("https://portal.example", "ServicesPortal", range(21))
