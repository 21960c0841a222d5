"""A Portal whose feed makes no progress: noticed by the content, said, asked ever more slowly, refused."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.collect import Collector, Progress
from ctera_insights.errors import FeedStuck
from ctera_insights.lake import Lake
from ctera_insights.pipeline import collect_portal
from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.portal.circling import LOOKED_AT, LOOKS, Circling
from ctera_insights.portal.circling import TOLERATED as CALM
from ctera_insights.portal.standstill import EMPTY_PAGES, REPEATS, TOLERATED, Standstill, key_of
from tests.collect.scripted import ROOT, ScriptedPortal, file, page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp import web

A = [ROOT, *(file(f"a{number}") for number in range(50))]
B = [file(f"b{number}") for number in range(50)]
C = [file(f"c{number}") for number in range(50)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are counted, not waited for."""
    monkeypatch.setattr("ctera_insights.portal.standstill._REPEAT_CAP_S", 0.01)
    monkeypatch.setattr("ctera_insights.portal.standstill._EMPTY_CAP_S", 0.01)


def looping(*pages: list[dict[str, Any]], moving: bool) -> ScriptedPortal:
    """These pages over and over, with more to come each time, under new cursors or always the same."""
    served = itertools.count()

    async def hook(name: str, _: web.Request) -> web.StreamResponse | None:
        if name != "list":
            return None
        number = next(served)
        return page(pages[number % len(pages)], f"k{number if moving else 0}", more=True)

    return ScriptedPortal(hook=hook)


LOOPS: dict[str, Callable[[], ScriptedPortal]] = {
    "the same page under new cursors": lambda: looping(A, moving=True),
    "the same page under one cursor": lambda: looping(A, moving=False),
    "two pages in turn": lambda: looping(A, B, moving=True),
    "three pages in turn": lambda: looping(A, B, C, moving=True),
    "a whole inventory again": lambda: looping(*([file(f"{n}")] for n in range(40)), moving=True),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("follow", [False, True])
async def test_what_was_served_before_ends_the_run_and_is_hardly_stored(
    loop: str, follow: bool, lake: Lake
) -> None:
    """All that is new is there; of what repeats, a few pages at the most, however often a schedule tries."""
    seen: list[Progress] = []
    async with LOOPS[loop]() as portal:
        with pytest.raises(FeedStuck, match="again and again"):
            await collect_portal(
                portal.url, lake, user="admin", password="pw", follow=follow, progress=seen.append
            )
        first = portal.asked.count("list")
        assert any("sent before" in progress.trouble for progress in seen)
        rows, guids = await counted(lake)
        assert len(guids) == {"two": 101, "three": 151, "a": 40}.get(loop.partition(" ")[0], 51)
        assert rows <= len(guids) + TOLERATED * 51
        for _ in range(3):
            with pytest.raises(FeedStuck):
                await collect_portal(portal.url, lake, user="admin", password="pw", follow=follow)
    assert first <= len(guids) + REPEATS + 1
    assert (await counted(lake))[0] <= rows + 51
    assert await asyncio.to_thread(lake.check) == []


async def test_a_cursor_that_stays_while_more_is_announced_is_no_progress_whatever_comes(lake: Lake) -> None:
    """Entries that look new each time, by a stamp of the answer's own, are the same entries."""
    served = itertools.count()

    async def hook(name: str, _: web.Request) -> web.StreamResponse | None:
        stamp = str(next(served))
        return page([file("a", gvsn=stamp)], "same", more=True) if name == "list" else None

    async with ScriptedPortal(hook=hook) as portal:
        with pytest.raises(FeedStuck):
            await collect_portal(portal.url, lake, user="admin", password="pw")
    assert (await counted(lake))[0] <= TOLERATED + 1


async def test_short_runs_do_not_store_a_loop_again_and_again(lake: Lake) -> None:
    """What a run that was stopped had found out holds for the next one."""
    async with looping(A, moving=True) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login("admin", "pw")
        runs: list[Collector] = []

        def stop_when_suspicious(progress: Progress) -> None:
            if "sent before" in progress.trouble:
                runs[-1].stop()

        for _ in range(4):
            runs.append(Collector(admin.notifications, lake, "f", progress=stop_when_suspicious))
            await runs[-1].run()
    assert (await counted(lake))[0] <= 51 * (TOLERATED + 1)


async def counted(lake: Lake) -> tuple[int, set[str]]:
    table = await asyncio.to_thread(lambda: lake.events.snapshot().dataset().to_table(columns=["guid"]))
    return len(table), set(table["guid"].to_pylist())


async def test_a_few_equal_pages_pass_and_what_waited_comes_with_what_is_new(lake: Lake) -> None:
    """More equal pages than chance explains are held back until something new shows that it is no loop."""
    equal = TOLERATED + 4
    async with ScriptedPortal(*[A] * (equal + 1), B, *[A] * 2, C) as portal:
        final, _ = await collect_portal(portal.url, lake, user="admin", password="pw")
    assert final.caught_up
    assert final.committed == 51 * (equal + 3) + 50 + 50


async def test_what_was_held_back_at_a_stop_is_served_again(lake: Lake) -> None:
    """The cursor stays before it."""
    async with ScriptedPortal(*[A] * (TOLERATED + 4), B) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login("admin", "pw")
        collector: Collector | None = None

        def stop_at_the_last(progress: Progress) -> None:
            if collector and "sent before" in progress.trouble:
                collector.stop()

        collector = Collector(admin.notifications, lake, "f", progress=stop_at_the_last)
        held = await collector.run()
        assert held.committed == 51 * (TOLERATED + 1)
        await Collector(admin.notifications, lake, "f").run()
    rows, _ = await counted(lake)
    assert rows == 51 * (TOLERATED + 4) + 50


@pytest.mark.parametrize("moving", [True, False])
async def test_empty_pages_that_announce_more_for_ever_end_the_run(moving: bool, lake: Lake) -> None:
    seen: list[Progress] = []
    async with looping([], moving=moving) as portal:
        with pytest.raises(FeedStuck, match="empty pages"):
            await collect_portal(portal.url, lake, user="admin", password="pw", progress=seen.append)
    assert portal.asked.count("list") == EMPTY_PAGES
    assert any("empty pages" in progress.trouble for progress in seen)


async def test_a_long_poll_that_says_yes_for_ever_does_not_keep_a_drain_from_its_end(lake: Lake) -> None:
    async def hook(name: str, _: web.Request) -> web.StreamResponse | None:
        from aiohttp import web as aiohttp_web

        return aiohttp_web.json_response({"changes": True}) if name == "longpoll" else None

    async with ScriptedPortal(A, hook=hook) as portal:
        async with asyncio.timeout(20):
            final, _ = await collect_portal(portal.url, lake, user="admin", password="pw")
    assert final.committed == 51
    assert portal.asked.count("list") < 20


async def test_the_service_notices_it_as_well() -> None:
    """For those who write their own workers: the feed ends with the cause."""
    queue: asyncio.Queue[Any] = asyncio.Queue()
    async with looping(A, B, moving=True) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login("admin", "pw")
        admin.notifications.service.run(queue, lambda _: None)
        seen: list[Any] = []

        async def read() -> None:
            async for event in admin.notifications.service.events(queue):
                seen.append(event)  # noqa: PERF401 -- what came before the error counts

        with pytest.raises(FeedStuck):
            await read()
    assert 101 <= len(seen) <= 101 + REPEATS * 51


@given(st.lists(st.integers(0, 5), max_size=200))
def test_only_a_row_of_repetitions_is_refused(numbers: list[int]) -> None:
    """Against a model: anything new in between, and the count begins anew."""
    standstill, seen, row = Standstill(), set(), 0
    for number in numbers:
        row = row + 1 if number in seen else 0
        seen.add(number)
        if row >= REPEATS:
            with pytest.raises(FeedStuck):
                standstill.look(str(number), more=True)
            return
        pause_s = standstill.look(str(number), more=True)
        assert (pause_s > 0) == (row > TOLERATED) == standstill.suspicious


@given(st.binary(max_size=40_000), st.integers(0, 100))
def test_a_key_tells_contents_apart_by_their_ends(content: bytes, at: int) -> None:
    changed = bytearray(content or b"x")
    place = at % len(changed)
    changed[place] ^= 1
    if place < 8192 or place >= len(changed) - 8192:
        assert key_of(bytes(changed)) != key_of(content or b"x")
    assert key_of(content) == key_of(memoryview(content))


CIRCLES: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "a stamp that changes": lambda n: [file(f"a{i}", gvsn=str(n)) for i in range(60)],
    "one entry that changes": lambda n: [*(file(f"a{i}") for i in range(60)), file("x", size=n)],
    "another order": lambda n: [file(f"a{(i + n) % 60}", size=n) for i in range(60)],
    "another part of the same": lambda n: [file(f"a{(n * 7 + i * i) % 60}", size=n) for i in range(30)],
    "one object": lambda n: [file("a", size=n)],
    "a clock": lambda n: [
        file(f"a{i}", portal_modified_date=f"2026-01-01T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z")
        for i in range(9)
    ],
}


def circling(entries: Callable[[int], list[dict[str, Any]]]) -> ScriptedPortal:
    served = itertools.count()

    async def hook(name: str, _: web.Request) -> web.StreamResponse | None:
        if name != "list":
            return None
        number = next(served)
        return page(entries(number), f"k{number}", more=True)

    return ScriptedPortal(hook=hook)


@pytest.fixture
def circles_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctera_insights.portal.circling._CAP_S", 0.001)


@pytest.mark.parametrize("shape", CIRCLES)
@pytest.mark.usefixtures("circles_in_a_hurry")
async def test_pages_that_differ_and_tell_of_the_same_objects_for_ever_end_the_run(
    shape: str, lake: Lake
) -> None:
    """Under ever new cursors, no two pages alike: said, asked ever more slowly, refused."""
    seen: list[Progress] = []
    async with circling(CIRCLES[shape]) as portal:
        with pytest.raises(FeedStuck, match="in circles"):
            await collect_portal(portal.url, lake, user="admin", password="pw", progress=seen.append)
        often = 20 if "part" in shape else 1  # chance decides when a part has nothing new
        assert portal.asked.count("list") <= 2 * (LOOKED_AT * CALM + LOOKS) * often
    assert any("objects that it told of before" in progress.trouble for progress in seen)
    assert await asyncio.to_thread(lake.check) == []


@pytest.mark.usefixtures("circles_in_a_hurry")
async def test_a_program_that_follows_hears_of_circles_too(caplog: pytest.LogCaptureFixture) -> None:
    queue: asyncio.Queue[Any] = asyncio.Queue()
    async with circling(CIRCLES["a stamp that changes"]) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login("admin", "pw")
        service = admin.notifications.service
        service.run(queue, lambda _: None, cursor=None)

        async def take() -> None:
            async for event in service.events(queue):
                assert event.gvsn is not None

        with pytest.raises(FeedStuck, match="in circles"):
            await asyncio.wait_for(take(), 60)
    assert "objects that it told of before" in caplog.text


def test_a_busy_file_among_others_is_no_circle() -> None:
    """Whatever changes all the time comes in every page; half of the others are new."""
    watch, chance = Circling(), random.Random(1)
    for number in range(20_000):
        busy = [b"busy%d" % i for i in range(10)]
        others = [b"%d" % chance.randrange(number * 20 + 1000) for _ in range(20)]
        assert watch.look([*busy, *others], more=True) == 0.0


def test_drains_of_the_same_few_files_are_no_circle() -> None:
    """An office with few files, followed for years: each drain ends."""
    watch = Circling()
    for _ in range(100):
        for _ in range(LOOKED_AT):
            assert watch.look([b"a", b"b"], more=True) == 0.0
        assert watch.look([b"a"], more=False) == 0.0
