"""Deadline and stop bind the whole run, whatever the Portal does at whatever step, and lose nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ctera_insights.errors import PortalTimeout, PortalUnreachable, StoreLocked
from ctera_insights.lake import Lake
from ctera_insights.pipeline import GRACE_S, collect_portal
from tests.collect.scripted import ROOT, ScriptedPortal, busy, drip, file, silence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from aiohttp import web

    from ctera_insights.collect import Progress

    Misbehaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]

FIRST = [ROOT, file("a"), file("lost", parent_guid="never told")]
BEFORE_ANYTHING = ("login", "currentSession", "currentPortal", "version", "list")
AFTER_A_PAGE = ("longpoll", "second list", "ancestors", "logout")
WAYS = {"silence": silence, "drip": drip, "busy": busy}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Connections are accepted by the kernel, and never answered."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


def portal_that(misbehave: Misbehaviour, at: str) -> ScriptedPortal:
    async def hook(name: str, request: web.Request) -> web.StreamResponse | None:
        second = at == "second list" and name == "list" and (await request.json())["cursor"]
        return await misbehave(request) if name == at or second else None

    return (
        ScriptedPortal(FIRST, [file("b")], hook=hook)
        if at == "second list"
        else ScriptedPortal(FIRST, hook=hook)
    )


async def stored(lake: Lake) -> set[str]:
    if not await asyncio.to_thread(lake.events.exists):
        return set()
    table = await asyncio.to_thread(lambda: lake.events.snapshot().dataset().to_table(columns=["guid"]))
    return set(table["guid"].to_pylist())


@pytest.mark.parametrize(
    ("at", "way"),
    [
        *((at, "silence") for at in BEFORE_ANYTHING),
        *((at, way) for at in ("login", "list") for way in ("drip", "busy")),
    ],
)
async def test_a_deadline_before_any_answer_of_the_feed_says_so(at: str, way: str, lake: Lake) -> None:
    """Exit code 4: a schedule that never gets anything must not look healthy."""
    async with portal_that(WAYS[way], at) as portal:
        began = time.monotonic()
        with pytest.raises(PortalUnreachable, match="Nothing came from"):
            await collect_portal(portal.url, lake, user="admin", password="pw", seconds=1)
    assert time.monotonic() - began < 1 + 2
    assert await stored(lake) == set()


@pytest.mark.parametrize(
    ("at", "way"),
    [
        *((at, "silence") for at in AFTER_A_PAGE),
        ("longpoll", "drip"),
        ("second list", "busy"),
        ("ancestors", "busy"),
    ],
)
async def test_a_deadline_ends_the_run_with_what_was_read(at: str, way: str, lake: Lake) -> None:
    async with portal_that(WAYS[way], at) as portal:
        began = time.monotonic()
        final, _ = await collect_portal(portal.url, lake, user="admin", password="pw", seconds=1.5)
    assert time.monotonic() - began < 1.5 + GRACE_S + 1.5
    assert final.committed == 3
    assert await stored(lake) == {"root", "a", "lost"}


@pytest.mark.parametrize(
    ("at", "way", "follow"),
    [
        *((at, "silence", at not in ("ancestors", "logout")) for at in (*BEFORE_ANYTHING, *AFTER_A_PAGE)),
        *((at, way, False) for at in ("login", "list", "longpoll", "ancestors") for way in ("drip", "busy")),
        ("logout", "silence", True),
    ],
)
async def test_a_stop_ends_the_run_at_once_wherever_it_is(
    at: str, way: str, follow: bool, lake: Lake
) -> None:
    """Backoff is not waited out, nor is a Portal that does not answer; to be stopped is no error."""
    stop = asyncio.Event()
    async with portal_that(WAYS[way], at) as portal:
        running = asyncio.create_task(
            collect_portal(portal.url, lake, user="admin", password="pw", follow=follow, stop=stop)
        )
        async with asyncio.timeout(20):
            expected = "longpoll" if at == "logout" and follow else at.removeprefix("second ")
            while portal.asked.count(expected) < (2 if at == "second list" else 1):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        stop.set()
        began = time.monotonic()
        final, _ = await running
        assert time.monotonic() - began < 4
    if at in AFTER_A_PAGE:
        assert final.committed == 3
    assert len(await stored(lake)) == final.committed


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_port_that_never_answers_is_left_at_the_deadline(
    scheme: str, silent_port: int, lake: Lake
) -> None:
    """Also in the TLS handshake."""
    began = time.monotonic()
    with pytest.raises(PortalUnreachable):
        await collect_portal(f"{scheme}://127.0.0.1:{silent_port}", lake, user="a", password="b", seconds=1)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("at", ["login", "list", "longpoll"])
async def test_a_run_without_a_deadline_is_bounded_too(
    at: str, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Portal that drips for ever cannot pile up a schedule's runs; what was read is committed."""
    monkeypatch.setattr("ctera_insights.pipeline.PATIENCE_S", 1.0)
    async with portal_that(drip, at) as portal:
        with pytest.raises(PortalTimeout, match="has not answered"):
            await collect_portal(portal.url, lake, user="admin", password="pw")
    assert len(await stored(lake)) == (3 if at == "longpoll" else 0)


async def test_a_feed_that_is_held_is_told_before_a_login(lake: Lake) -> None:
    async with ScriptedPortal(FIRST) as portal:
        held = lake.locks.writer("held")
        await asyncio.to_thread(held.__enter__)
        with pytest.raises(StoreLocked):
            await collect_portal(portal.url, lake, user="admin", password="pw", feed="held")
        held.__exit__(None, None, None)
    assert portal.asked == []


async def test_an_answer_at_first_and_trouble_later_is_no_failure(lake: Lake) -> None:
    """The time is up, and what came is in the store; the trouble was shown."""
    seen: list[Progress] = []
    async with portal_that(busy, "second list") as portal:
        final, _ = await collect_portal(
            portal.url, lake, user="admin", password="pw", seconds=1, progress=seen.append
        )
    assert final.committed == 3
    assert any("503" in progress.trouble for progress in seen)


async def test_seconds_without_follow_bound_a_drain(lake: Lake) -> None:
    """A drain that is caught up ends then; the seconds are the most that it may take."""
    async with ScriptedPortal(FIRST) as portal:
        began = time.monotonic()
        final, derived = await collect_portal(
            portal.url, lake, user="admin", password="pw", follow=False, seconds=30
        )
    assert time.monotonic() - began < 20
    assert final.caught_up
    assert derived is not None
    assert derived.events == 3


CLI = [sys.executable, "-m", "ctera_insights", "collect", "--user", "admin"]
ENVIRONMENT = {**os.environ, "CTERA_INSIGHTS_PASSWORD": "pw"}


def start(*arguments: object, code: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *CLI[3:]] if code else CLI
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


SLOW_NAMES = """
import socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(60)
from ctera_insights.cli import main
main()
"""


def test_a_name_server_that_hangs_does_not_hold_the_process(tmp_path: Path) -> None:
    """The look-up goes on in a thread that nothing can end; the process does not wait for it."""
    began = time.monotonic()
    run = start("--portal", "portal.invalid", "--data", tmp_path, "--for", "2", code=SLOW_NAMES)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 4, err
    assert "portal.invalid" in err
    assert time.monotonic() - began < 15


STUCK_DISK = """
import time
from ctera_insights.cli import leaving, main
from ctera_insights.lake import FeedWriter
leaving.LATE_S = 1.0
import ctera_insights.cli.collect as command
command.LATE_S = 1.0
FeedWriter.commit = lambda *_, **__: time.sleep(60)
main()
"""


async def test_a_disk_that_hangs_does_not_hold_the_process(tmp_path: Path) -> None:
    """A commit that does not come back is waited for a while, and then left, with a word."""
    async with ScriptedPortal(FIRST) as portal:
        began = time.monotonic()
        run = await asyncio.to_thread(
            start, "--portal", portal.url, "--data", tmp_path, "--for", "2", code=STUCK_DISK
        )
        _, err = await asyncio.to_thread(run.communicate, timeout=30)
    assert run.returncode == 1, err
    assert "did not end" in err
    assert time.monotonic() - began < 15


def test_a_signal_during_the_login_ends_the_run_in_order(silent_port: int, tmp_path: Path) -> None:
    run = start("--portal", f"http://127.0.0.1:{silent_port}", "--data", tmp_path, "--follow")
    time.sleep(4)
    began = time.monotonic()
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 0, err
    assert "Committing what was read" in err
    assert time.monotonic() - began < 5


async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """Whatever the first one waits for."""
    committing = STUCK_DISK.replace("time.sleep(60)", "(print(flush=True), time.sleep(60))").replace(
        "1.0", "60"
    )
    async with ScriptedPortal(FIRST) as portal:
        run = await asyncio.to_thread(start, "--portal", portal.url, "--data", tmp_path, code=committing)
        assert run.stdout is not None
        assert run.stderr is not None
        assert await asyncio.to_thread(run.stdout.readline) == "\n"
        run.send_signal(signal.SIGINT)
        while "Committing what was read" not in await asyncio.to_thread(run.stderr.readline):
            pass
        run.send_signal(signal.SIGTERM)
        await asyncio.to_thread(run.communicate, timeout=5)
    assert run.returncode == 128 + signal.SIGTERM
