"""The whole way in one call: log in, drain the Portal's feed into the lake, derive activity from it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, Literal

from ctera_insights.activity import Summary, enrich_lake
from ctera_insights.collect import BatchLimits, Collector, Progress, feed_name
from ctera_insights.errors import InsightsError, StoreLocked
from ctera_insights.lake import Lake
from ctera_insights.portal import AsyncGlobalAdmin, AsyncServicesPortal, RetryPolicy

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from ctera_insights.model import Event
    from ctera_insights.settings import Secret

    Client = AsyncGlobalAdmin | AsyncServicesPortal

logger: Final = logging.getLogger(__name__)

ENRICH_EVERY_S: Final = 30.0
"""While following: seconds between derivations, when anything was committed since."""


async def collect_portal(
    portal: str,
    data: Lake | str | os.PathLike[str],
    *,
    user: str,
    password: str | Secret,
    context: Literal["admin", "ServicesPortal"] = "admin",
    cloud_folders: Sequence[int] = (),
    follow: bool = False,
    seconds: float | None = None,
    limits: BatchLimits | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    verify: bool = True,
    resync: bool = False,
    feed: str | None = None,
    enrich: bool = True,
    progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> tuple[Progress, Summary | None]:
    """Collect from a Portal until caught up, for some seconds, or (``follow``) until stopped.

    Args:
        portal: host or URL.
        data: the lake, or its path or URL.
        user: user name.
        password: that user's password.
        context: ``admin`` for administrators, ``ServicesPortal`` for end users.
        cloud_folders: uids; none means all that the user may see.
        follow: go on when caught up.
        seconds: stop after so long.
        limits: when a batch is sealed.
        ca_file: PEM file of the authorities to trust instead of the system's.
        verify: ``False`` accepts any certificate, and warns.
        resync: begin a new baseline.
        feed: name of the stream, by default made of Portal, context and cloud folders.
        enrich: derive activity at the end, and while following now and then.
        progress: called after each page, commit and retry.
        stop: when set, what was read is committed and the call returns.

    Returns:
        What was collected, and what was derived from it.

    Raises:
        LoginRefused, PortalError, LakeError: what ended it; what was committed before is safe.

    Example:
        >>> collected, derived = await collect_portal(  # doctest: +SKIP
        ...     "portal.example.com", "data", user="admin", password=os.environ["CTERA_INSIGHTS_PASSWORD"]
        ... )
    """
    lake = data if isinstance(data, Lake) else Lake(data)
    endless = follow or seconds is not None
    collector: Collector | None = None

    def on_retry(error: InsightsError, wait_s: float) -> None:
        if collector:
            collector.trouble(error, wait_s)

    kind = AsyncGlobalAdmin if context == "admin" else AsyncServicesPortal
    async with kind(
        portal,
        verify=verify,
        ca_file=ca_file,
        retries=RetryPolicy.forever() if endless else RetryPolicy(),
        on_retry=on_retry,
    ) as client:
        await client.login(user, password)
        collector = Collector(
            client.notifications,
            lake,
            feed or feed_name(client.url, context, cloud_folders),
            folder_ids=cloud_folders,
            limits=limits,
            follow=follow,
            deadline_s=seconds,
            resync=resync,
            progress=progress,
        )
        async with (
            _stopped_by(stop, collector),
            _enriched_meanwhile(lake, client, collector, enrich and endless),
        ):
            collected = await collector.run()
        derived = await _enrich(lake, client) if enrich else None
        # The data is safe, and the session ends by itself.
        with contextlib.suppress(InsightsError):
            await client.logout()
    return collected, derived


async def _enrich(lake: Lake, client: Client) -> Summary | None:
    async def ancestors(folder_id: int, guid: str) -> list[Event]:
        return await client.notifications.ancestors((folder_id, guid))

    try:
        return await enrich_lake(lake, ancestors)
    except StoreLocked:  # another process derives in this lake, and will come to our batches
        return None


@contextlib.asynccontextmanager
async def _stopped_by(stop: asyncio.Event | None, collector: Collector) -> AsyncIterator[None]:
    async def watch(stop: asyncio.Event) -> None:
        await stop.wait()
        collector.stop()

    async with _beside(watch(stop) if stop else None):
        yield


@contextlib.asynccontextmanager
async def _enriched_meanwhile(
    lake: Lake, client: Client, collector: Collector, wanted: bool
) -> AsyncIterator[None]:
    async def now_and_then() -> None:
        handled = 0
        while True:
            await asyncio.sleep(ENRICH_EVERY_S)
            if (batches := collector.progress.batches) == handled:
                continue
            try:
                await _enrich(lake, client)
            except InsightsError as error:  # collecting goes on; the last derivation tells what remains wrong
                logger.warning("Deriving activity failed, and is tried again later. %s", error)
            else:
                handled = batches

    async with _beside(now_and_then() if wanted else None):
        yield


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[None, None, None] | None) -> AsyncIterator[None]:
    """Run something while the block runs."""
    if work is None:
        yield
        return
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
