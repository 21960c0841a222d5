"""Deriving beside a collection: what fails is said, shown to every process, tried again, and not for ever."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from ctera_insights.activity import enrich_lake
from ctera_insights.activity.behind import Behind, behind_in_all, failure
from ctera_insights.activity.store import WRITER
from ctera_insights.errors import AncestorsNotFound, DerivingFailed, InsightsError, StoreDamaged
from ctera_insights.lake import Lake
from ctera_insights.pipeline import collect_portal
from ctera_insights.pipeline.deriving import Deriving
from ctera_insights.widgets.live import live
from tests.collect.scripted import ROOT, ScriptedPortal, file

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctera_insights.activity import Summary
    from ctera_insights.collect import Progress
    from ctera_insights.model import Event

DERIVING = "ctera_insights.pipeline.deriving"


class Panic(BaseException):
    """As a library written in Rust ends a call that it did not foresee."""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{DERIVING}.EVERY_S", 0.05)
    monkeypatch.setattr(f"{DERIVING}.BACKOFF_S", 0.02)
    monkeypatch.setattr(f"{DERIVING}.BACKOFF_CAP_S", 0.2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


class Following:
    """A collection that follows, and what it shows."""

    def __init__(self, portal: ScriptedPortal, lake: Lake) -> None:
        self.seen: list[Progress] = []
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(
            collect_portal(
                portal.url,
                lake,
                user="admin",
                password="pw",
                follow=True,
                progress=self.seen.append,
                stop=self.stop,
            )
        )

    async def until(self, condition: Callable[[Progress], bool]) -> Progress:
        async with asyncio.timeout(20):
            while not (self.seen and condition(self.seen[-1])):
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)
        return self.seen[-1]

    async def end(self) -> tuple[Progress, Summary | None]:
        self.stop.set()
        return await self.task


async def status(lake: Lake) -> tuple[dict, str]:
    """What another process says of the store, as JSON and in words."""
    command = [sys.executable, "-m", "ctera_insights", "status", "--data", lake.uri]
    told = await asyncio.to_thread(subprocess.run, [*command, "--json"], check=True, capture_output=True)
    words = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
    return json.loads(told.stdout), words.stdout


async def test_a_file_that_is_missing_for_a_while_stops_deriving_for_as_long(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    """Every face tells of it while it lasts: the log, the progress, the status, the live view."""
    async with ScriptedPortal([ROOT, file("a")]) as portal:
        await collect_portal(portal.url, lake, user="admin", password="pw", enrich=False)
        assert await asyncio.to_thread(behind_in_all, lake) == Behind(1, 2)
        (first,) = await asyncio.to_thread(lambda: lake.events.snapshot().uris())
        away = f"{first}.away"
        await asyncio.to_thread(subprocess.run, ["mv", first, away], check=True)
        following = Following(portal, lake)
        failing = await following.until(lambda progress: progress.derive_trouble != "")
        assert "Deriving activity fails since" in failing.derive_trouble
        assert (failing.behind_batches, failing.behind_events) == (1, 2)
        told, words = await status(lake)
        assert (told["deriving"]["behind_batches"], told["deriving"]["behind_events"]) == (1, 2)
        assert told["deriving"]["error"]
        assert told["feeds"][0]["behind_events"] == 2
        assert "1 batch (2 events) behind" in words
        assert "Deriving fails since" in words
        view = (await asyncio.to_thread(live, lake)).stop()
        assert view.shown["behind_batches"] == 1
        assert "Deriving activity fails" in view.shown["trouble"]
        assert "1 batches behind" in repr(view)
        await asyncio.to_thread(subprocess.run, ["mv", away, first], check=True)
        await following.until(lambda progress: not progress.derive_trouble and not progress.behind_batches)
        _, derived = await following.end()
        assert derived is not None
        assert derived.events == 2
        await asyncio.to_thread(view.look)
        assert (view.shown["behind_batches"], view.shown["trouble"]) == (0, "")
        view.close()
    assert await asyncio.to_thread(failure, lake) is None
    said = [record.message for record in caplog.records if "Deriving" in record.message]
    assert "failed, and is tried again" in said[0]
    assert said[-1] == "Deriving activity works again."


@pytest.mark.parametrize(
    "error",
    [
        StoreDamaged("a log cannot be read"),
        duckdb.IOException("IO Error: no space"),
        FileNotFoundError(2, "No such file", "x.parquet"),
        MemoryError(),
        KeyError("surprise"),
        Panic("called `Option::unwrap()` on a `None` value"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_deriving_dies_of_is_told_and_in_the_end_ends_the_run(
    error: BaseException, lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was read is committed; the cause is the error of the run."""
    tries = 0

    async def failing(*_: object, **__: object) -> None:
        nonlocal tries
        tries += 1
        raise error

    monkeypatch.setattr(f"{DERIVING}.enrich_lake", failing)
    monkeypatch.setattr(f"{DERIVING}.GIVE_UP_S", 0.5)
    async with ScriptedPortal([ROOT, file("a")]) as portal:
        following = Following(portal, lake)
        async with asyncio.timeout(20):
            with pytest.raises(InsightsError) as ended:
                await following.task
    assert tries > 3
    assert isinstance(ended.value, StoreDamaged if isinstance(error, StoreDamaged) else DerivingFailed)
    assert type(error).__name__ in str(ended.value) or str(error) in str(ended.value)
    assert "failed, and is tried again" in caplog.text
    assert following.seen[-1].committed == 2
    assert (await asyncio.to_thread(lake.status)).events == 2


async def test_the_derivation_at_the_end_of_a_run_is_not_lost(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried a few times; then its error is that of the run, and what was collected is safe."""

    async def failing(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(f"{DERIVING}.enrich_lake", failing)
    async with ScriptedPortal([ROOT, file("a")]) as portal:
        with pytest.raises(DerivingFailed, match="collected is safe"):
            await collect_portal(portal.url, lake, user="admin", password="pw")
    told, _ = await status(lake)
    assert (told["events"], told["deriving"]["behind_events"]) == (2, 2)
    assert "MemoryError" in told["deriving"]["error"]


async def test_another_process_that_derives_is_left_to_it_with_one_word(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    lock = lake.locks.writer(WRITER)
    await asyncio.to_thread(lock.__enter__)
    async with ScriptedPortal([ROOT, file("a")]) as portal:
        following = Following(portal, lake)
        await following.until(lambda progress: "Another process derives" in progress.derive_trouble)
        await asyncio.sleep(0.5)
        lock.__exit__(None, None, None)
        await following.until(lambda progress: progress.committed == 2 and not progress.derive_trouble)
        await following.end()
    assert sum("Another process derives" in record.message for record in caplog.records) == 1
    assert await asyncio.to_thread(behind_in_all, lake) == Behind()


async def test_a_run_that_follows_catches_up_with_what_an_earlier_one_left(lake: Lake) -> None:
    """Also when nothing new comes."""
    async with ScriptedPortal([ROOT, file("a")]) as portal:
        await collect_portal(portal.url, lake, user="admin", password="pw", enrich=False)
        following = Following(portal, lake)
        async with asyncio.timeout(20):
            while await asyncio.to_thread(behind_in_all, lake) != Behind():  # noqa: ASYNC110 -- no event tells
                await asyncio.sleep(0.05)
        await following.end()


async def test_batches_are_counted_where_compaction_has_joined_them(lake: Lake) -> None:
    """A merged file that a mark divides counts from the mark on."""
    from ctera_insights.lake import maintain

    async with ScriptedPortal([ROOT, file("a")]) as portal:
        await collect_portal(portal.url, lake, user="admin", password="pw")
        for name in ("b", "c"):
            portal.pages.append([file(name)])
            await collect_portal(portal.url, lake, user="admin", password="pw", enrich=False)
    assert await asyncio.to_thread(behind_in_all, lake) == Behind(2, 2)
    await asyncio.to_thread(maintain, lake.events, everything=True)
    assert len((await asyncio.to_thread(lake.events.snapshot)).files) == 1
    assert await asyncio.to_thread(behind_in_all, lake) == Behind(2, 2)


@pytest.mark.parametrize("damage", [b"", b"PAR1" + b"\0" * 60, None], ids=["empty", "overwritten", "missing"])
async def test_damage_does_not_hide_how_far_deriving_is_behind(lake: Lake, damage: bytes | None) -> None:
    """A merged file that a mark divides is damaged: the status stands, and the collector goes on."""
    from ctera_insights.lake import maintain

    async with ScriptedPortal([ROOT, file("a")]) as portal:
        await collect_portal(portal.url, lake, user="admin", password="pw")
        portal.pages.append([file("b")])
        await collect_portal(portal.url, lake, user="admin", password="pw", enrich=False)
        await asyncio.to_thread(maintain, lake.events, everything=True)
        (merged,) = await asyncio.to_thread(lambda: [Path(uri) for uri in lake.events.snapshot().uris()])
        if damage is None:
            merged.unlink()
        else:
            merged.write_bytes(damage)
        following = Following(portal, lake)
        await following.until(lambda progress: progress.derive_trouble != "")
        portal.pages.append([file("c")])
        await following.until(lambda progress: progress.committed == 1)
        told, words = await status(lake)
        assert told["deriving"]["behind_batches"] == 2
        assert "Deriving fails since" in words
        await following.end()


async def test_a_query_that_takes_long_is_cut_short(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop waits for a step of a second, not for a query of minutes; nothing is half done."""
    from ctera_insights.activity.run import _Run

    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def endless(run: _Run, *_: object) -> None:
        loop.call_soon_threadsafe(begun.set)
        run.con.execute("SELECT count(*) FROM range(1000000000) a, range(1000000000) b").fetchall()

    with monkeypatch.context() as patched:
        patched.setattr(_Run, "advance", endless)
        async with ScriptedPortal([ROOT, file("a")]) as portal:
            following = Following(portal, lake)
            await asyncio.wait_for(begun.wait(), 20)
            async with asyncio.timeout(5):
                await following.end()
    assert await asyncio.to_thread(behind_in_all, lake) == Behind(1, 2)
    assert (await enrich_lake(lake)).events == 2


async def test_a_derivation_that_hangs_is_spoken_of(
    lake: Lake, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises nothing that could be told or retried."""
    monkeypatch.setattr(f"{DERIVING}.SILENT_S", 0.2)
    async with ScriptedPortal([ROOT, file("a", parent_guid="never told")]) as portal:
        await collect_portal(portal.url, lake, user="admin", password="pw", enrich=False)
    said, over, answer = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def ancestors(_folder_id: int, _guid: str) -> list[Event]:
        await answer.wait()
        raise AncestorsNotFound("Nobody knows.")

    def show(_batches: int, _events: int, trouble: str) -> None:
        if "no step" in trouble:
            said.set()
        elif not trouble:
            over.set()

    deriving = Deriving(lake, ancestors, show)
    async with deriving.beside(lambda: 0, lambda: None), asyncio.timeout(20):
        await said.wait()
        noted = await asyncio.to_thread(failure, lake)
        assert noted is not None
        assert "no step" in noted.error
        over.clear()
        answer.set()
        await over.wait()
    assert "no step" in caplog.text
    assert await asyncio.to_thread(failure, lake) is None
