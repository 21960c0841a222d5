"""The whole way in one call: log in, drain the Portal's feed into the lake, derive activity from it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, Literal

from ctera_insights.collect import BatchLimits, Collector, Progress, feed_name
from ctera_insights.errors import InsightsError, PortalTimeout, PortalUnreachable, UsageError
from ctera_insights.lake import Lake, Origin, admit
from ctera_insights.pipeline.deriving import Deriving
from ctera_insights.pipeline.span import Span, TimeIsUp
from ctera_insights.portal import AsyncGlobalAdmin, AsyncServicesPortal, RetryPolicy

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Sequence

    from ctera_insights.activity import Summary
    from ctera_insights.collect import Notifications
    from ctera_insights.model import Event
    from ctera_insights.portal.pages import RawPage
    from ctera_insights.settings import Secret

    Client = AsyncGlobalAdmin | AsyncServicesPortal

logger: Final = logging.getLogger(__name__)

GRACE_S: Final = 5.0
"""Behind the deadline: for the commit under way, deriving, and the logout; all of it ends then."""
PATIENCE_S: Final = 600.0
"""A run that ends when caught up waits so long for one answer of the Portal, all its attempts included."""
LOGOUT_S: Final = 2.0
LONGEST_S: Final = 1e9
"""The furthest deadline; timers go no further."""


async def collect_portal(
    portal: str,
    data: Lake | str | os.PathLike[str],
    *,
    user: str,
    password: str | Secret,
    context: Literal["admin", "ServicesPortal"] = "admin",
    cloud_folders: Sequence[int] = (),
    follow: bool | None = None,
    seconds: float | None = None,
    limits: BatchLimits | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    verify: bool = True,
    resync: bool = False,
    feed: str | None = None,
    portal_moved: bool = False,
    allow_overlap: bool = False,
    enrich: bool = True,
    progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> tuple[Progress, Summary | None]:
    """Collect from a Portal until caught up, for some seconds, or (``follow``) until stopped.

    Deadline and ``stop`` bind the whole run, the login and the deriving included: then what was read is
    committed, and the call returns. At the deadline, deriving and logout have 5 seconds more; told to stop,
    the run derives no further. A run that ends when caught up is bounded, too: it waits 10 minutes at most
    for one answer of the Portal, all attempts included.

    Args:
        portal: host or URL.
        data: the lake, or its path or URL.
        user: user name.
        password: that user's password.
        context: ``admin`` for administrators, ``ServicesPortal`` for end users.
        cloud_folders: uids; none means all that the user may see.
        follow: go on when caught up; by default just when ``seconds`` are given.
        seconds: end after so long at the latest.
        limits: when a batch is sealed.
        ca_file: PEM file of the authorities to trust instead of the system's.
        verify: ``False`` accepts any certificate, and warns.
        resync: begin a new baseline.
        feed: name of the stream, by default made of Portal, context and cloud folders. It remembers what it
            is of, and refuses anything else.
        portal_moved: the feed's Portal has a new address, or its user a new name; ``feed`` names it.
        allow_overlap: begin a feed although another one of the lake brings some of the same events.
        enrich: derive activity at the end, and while following now and then. When that fails, it is said and
            tried again, with pauses of 1 second to 5 minutes; after an hour it ends the run.
        progress: called after each page, commit, retry and derivation.
        stop: when set, what was read is committed and the call returns.

    Returns:
        What was collected, and what was derived from it; ``None`` where nothing was: not wanted, left to
        another process, or out of time.

    Raises:
        LoginRefused: wrong user name or password.
        PortalUnreachable: the Portal has not answered, not even once before the deadline.
        PortalError: what else it refused.
        StoreLocked: another process collects this feed.
        UsageError: ``seconds`` is no time, the feed is of something else, or a new one overlaps with another.
        LakeError: the store refused, or deriving failed for good.

    What was committed before is safe.

    Example:
        >>> collected, derived = await collect_portal(  # doctest: +SKIP
        ...     "portal.example.com", "data", user="admin", password=os.environ["CTERA_INSIGHTS_PASSWORD"]
        ... )
    """
    if seconds is not None and not 0 < seconds <= LONGEST_S:
        raise UsageError(f"seconds={seconds!r}: above 0, and at most {LONGEST_S:,.0f}; None for no deadline.")
    lake = data if isinstance(data, Lake) else Lake(data)
    endless = seconds is not None if follow is None else follow
    kind = AsyncGlobalAdmin if context == "admin" else AsyncServicesPortal
    collector: Collector | None = None

    def on_retry(error: InsightsError, wait_s: float) -> None:
        if collector:
            collector.trouble(error, wait_s)

    async with (
        Span(seconds, stop) as span,
        kind(
            portal,
            verify=verify,
            ca_file=ca_file,
            retries=RetryPolicy.forever() if endless else RetryPolicy(),
            on_retry=on_retry,
        ) as client,
    ):
        asked = _Portal(client, None if endless else PATIENCE_S)
        name = feed or feed_name(client.url, context, cloud_folders)
        collector = Collector(
            asked,
            lake,
            name,
            folder_ids=cloud_folders,
            limits=limits,
            follow=endless,
            resync=resync,
            progress=progress,
        )
        deriving = Deriving(lake, asked.ancestors, collector.deriving)
        async with collector.holding():
            await _log_in(asked, span, user, password)
            if not span.over:
                tenant = client.session.tenant if client.session else None
                origin = Origin.of(client.url, context, cloud_folders, tenant=tenant, user=user)
                for words in await asyncio.to_thread(
                    admit, lake, name, origin, portal_moved=portal_moved, allow_overlap=allow_overlap
                ):
                    logger.warning("%s", words)
                span.at_end(collector.stop)
                async with _derived_meanwhile(deriving, collector, enrich and endless):
                    await collector.run()
            if span.late and not span.stopped and not collector.answered:
                raise _never_reached(asked, span, collector)
            if enrich:
                await deriving.finish(span, GRACE_S)
            if client.session:
                # The data is safe, and the session ends by itself.
                with contextlib.suppress(InsightsError, TimeIsUp):
                    async with span.within(LOGOUT_S, grace_s=GRACE_S):
                        await client.logout()
    return collector.progress, deriving.summary


async def _log_in(portal: _Portal, span: Span, user: str, password: str | Secret) -> None:
    try:
        async with span.within(portal.patience_s):
            await portal.client.login(user, password)
    except TimeIsUp:
        if not span.over:
            raise portal.silent("the login") from None


def _never_reached(portal: _Portal, span: Span, collector: Collector) -> PortalUnreachable:
    why = collector.last_failure or "It gave no answer."
    return PortalUnreachable(
        f"Nothing came from {portal.client.url} in {span.seconds:g} s, and nothing was collected. {why} "
        "Is the address right, and can this machine reach it?"
    )


@contextlib.asynccontextmanager
async def _derived_meanwhile(deriving: Deriving, collector: Collector, wanted: bool) -> AsyncIterator[None]:
    if not wanted:
        yield
        return
    async with deriving.beside(lambda: collector.progress.batches, collector.stop):
        yield


class _Portal:
    """A client's feed, and how long one of its answers may take, attempts included."""

    def __init__(self, client: Client, patience_s: float | None) -> None:
        self.client = client
        self.patience_s = patience_s
        self._notifications: Notifications = client.notifications

    async def list_raw(self, cursor: str | None, folder_ids: Sequence[int], max_results: int) -> RawPage:
        """One page as it came over the wire."""
        async with self._patiently("the list of changes"):
            return await self._notifications.list_raw(cursor, folder_ids, max_results)

    async def wait_for_changes(
        self, cursor: str, folder_ids: Sequence[int], timeout_s: float | None = None
    ) -> bool:
        """Whether something is listable behind the cursor."""
        async with self._patiently("the question for changes"):
            return await self._notifications.wait_for_changes(cursor, folder_ids, timeout_s)

    async def ancestors(self, folder_id: int, guid: str) -> list[Event]:
        """The object and all above it."""
        async with self._patiently("the question for directories"):
            return await self.client.notifications.ancestors((folder_id, guid))

    @contextlib.asynccontextmanager
    async def _patiently(self, what: str) -> AsyncIterator[None]:
        timeout = asyncio.timeout(self.patience_s)
        try:
            async with timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise self.silent(what) from None

    def silent(self, what: str) -> PortalTimeout:
        """The error of a Portal that took too long."""
        assert self.patience_s is not None
        return PortalTimeout(
            f"{self.client.url} has not answered {what} in {self.patience_s:.0f} s, all attempts included."
        )
