"""The live view: what it shows of a store and of a collector, and what it costs when nothing happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ctera_insights.collect import Collector
from ctera_insights.errors import UsageError
from ctera_insights.insights import Insights
from ctera_insights.lake import Lake
from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.simulator import Feed, SimulatedPortal, World
from ctera_insights.widgets.live import live, monitor
from ctera_insights.widgets.live_source import StoreSource

if TYPE_CHECKING:
    from pathlib import Path


async def collect(portal: SimulatedPortal, lake: Lake) -> None:
    async with AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        await Collector(admin.notifications, lake, "feed").run()


async def test_a_store_is_followed_from_before_its_first_commit(tmp_path: Path) -> None:
    """The view waits for the store, counts each commit, and names the latest events."""
    world = World(Feed())
    folder = world.cloud_folder("Projects")
    world.create(folder, "first.txt", size=3)
    lake = Lake(tmp_path / "data")
    view = (await asyncio.to_thread(live, lake, poll_s=0.05)).stop()
    assert "Nothing has been collected" in view.shown["waiting"]
    async with SimulatedPortal(world) as portal:
        await collect(portal, lake)
        await asyncio.to_thread(view.look)
        before = view.shown["events"]
        assert before > 0
        world.create(folder, "second.txt", size=5)
        await collect(portal, lake)
        await asyncio.to_thread(view.look)
    assert view.shown["events"] == before + 1
    assert view.shown["arrived"] == 1
    assert view.shown["recent"][0][1] == "second.txt"
    status = await asyncio.to_thread(lake.status)
    assert view.shown["batches"] == status.batches
    assert view.shown["quarantined"] == 0
    assert f"{before + 1:,} events" in repr(view)
    view.close()


async def test_an_idle_store_is_not_read(tmp_path: Path, monkeypatch) -> None:
    """While nothing is committed, no log entry and no file of the store is opened."""
    async with SimulatedPortal(World(Feed())) as portal:
        await collect(portal, Lake(tmp_path / "data"))
    source = StoreSource(Lake(tmp_path / "data"))
    assert await asyncio.to_thread(source.look) is not None
    monkeypatch.setattr(Lake, "status", lambda _: (_ for _ in ()).throw(AssertionError("was read")))
    assert await asyncio.to_thread(source.look) is None


async def test_a_collector_is_run_watched_and_stopped(tmp_path: Path) -> None:
    """`monitor` starts the collector on the running loop; its button stops it with everything committed."""
    world = World(Feed())
    world.create(world.cloud_folder("Projects"), "first.txt", size=3)
    lake = Lake(tmp_path / "data")
    async with SimulatedPortal(world) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        collector = Collector(admin.notifications, lake, "feed", follow=True)
        view = monitor(collector, poll_s=0.05)
        async with asyncio.timeout(20):
            while not view.shown.get("batches"):  # noqa: ASYNC110 # what is waited for is no event of ours
                await asyncio.sleep(0.05)
            assert view.shown["state"] == "collecting"
            view._hear(view, {"kind": "stop"}, [])
            progress = await view.collect()
    status = await asyncio.to_thread(lake.status)
    assert progress.committed == view.shown["events"] == status.events
    assert view.shown["state"] == "stopped"
    view.close()


async def test_an_open_store_shows_itself(tmp_path: Path) -> None:
    """`insights.live()` follows the store; a bare connection has none to follow."""
    world = World(Feed())
    world.create(world.cloud_folder("Projects"), "first.txt", size=3)
    lake = Lake(tmp_path / "data")
    async with SimulatedPortal(world) as portal:
        await collect(portal, lake)
    with await asyncio.to_thread(Insights, lake) as insights:
        view = (await asyncio.to_thread(insights.live)).stop()
        assert view.shown["events"] == 2
        with pytest.raises(UsageError, match="Only a store"):
            Insights(insights.connection).live()
