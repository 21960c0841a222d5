"""A simulated Portal as a program of its own: serves until it is told to stop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import msgspec

from ctera_insights.platforms import on_signals
from ctera_insights.simulator.server import SimulatedPortal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ctera_insights.simulator.directio import DirectIOSettings
    from ctera_insights.simulator.faults import Faults
    from ctera_insights.simulator.feed import Feed
    from ctera_insights.simulator.sources.base import Source
    from ctera_insights.simulator.world import World


async def serve(
    content: Source | World | Feed,
    *,
    user: str = "admin",
    password: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    https: bool = False,
    faults: Faults | str | None = None,
    directio: DirectIOSettings | None = None,
    speed: float | None = None,
    ready_file: Path | None = None,
    on_ready: Callable[[SimulatedPortal], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT, or ``stop``; must run in the main thread. Prints nothing.

    Args:
        content: what to serve.
        user: name of the one user.
        password: that user's password; a random one, to be read from the Portal, when not given.
        host: address to listen at.
        port: port to listen at; 0 takes a free one.
        https: listen with a certificate of an authority of its own.
        faults: what goes wrong.
        directio: how content is served.
        speed: lets a history happen at its own pace, so many times faster.
        ready_file: written, in one step, once it listens: JSON with ``url``, ``pid``, ``user`` and, with
            HTTPS, ``ca_file``. Removed at the end.
        on_ready: called with the Portal once it listens.
        stop: ends it, when set.

    Raises:
        OSError: the address or the port cannot be had.
        Exception: what the source failed with.
    """
    ended = stop or asyncio.Event()
    with on_signals(lambda _: ended.set()):
        try:
            async with SimulatedPortal(
                content,
                user=user,
                password=password,
                host=host,
                port=port,
                https=https,
                faults=faults,
                directio=directio,
                speed=speed,
            ) as portal:
                if ready_file is not None:
                    await asyncio.to_thread(_write_ready_file, ready_file, portal)
                if on_ready is not None:
                    on_ready(portal)
                await _first(ended.wait(), portal.wait_broken())
        finally:
            if ready_file is not None:
                await asyncio.to_thread(ready_file.unlink, missing_ok=True)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


def _write_ready_file(path: Path, portal: SimulatedPortal) -> None:
    told = {"url": portal.url, "pid": os.getpid(), "user": portal.user}
    if portal.ca_file is not None:
        told["ca_file"] = str(portal.ca_file)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(msgspec.json.encode(told))
    Path(file.name).replace(path)
