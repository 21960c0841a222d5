"""From a Portal to the lake: pages -> columns -> batches -> commits, each stage one step ahead of the next.

While a batch is written, the next one is decoded, and while a page is decoded, the next one is on its way.
Each stage holds a bounded amount: a slow disk slows the Portal reads, and memory stays flat in a long drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from ctera_insights.errors import UsageError
from ctera_insights.lake import FeedWriter, Rejected
from ctera_insights.model import BASELINE
from ctera_insights.portal.pages import decode_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from datetime import datetime

    import pyarrow as pa

    from ctera_insights.lake import Lake, Position
    from ctera_insights.portal.pages import Page, RawPage
    from ctera_insights.widgets.live import LiveView

PAGE_EVENTS: Final = 2000
PAGES_AHEAD: Final = 2
"""Pages read from the Portal that wait to be decoded."""
ASK_ONCE_S: Final = 0.1
"""How long the Portal may hold the question whether there is more, before a drain counts as caught up."""
LONGEST_PAUSE_S: Final = 5.0
"""Between lists that brought nothing, although the Portal had told of changes."""
EMPTY_COMMIT_S: Final = 60.0
"""A cursor that moved without events is committed this often at the most."""


class Notifications(Protocol):
    """What the collector asks of a Portal client."""

    async def list_raw(self, cursor: str | None, folder_ids: Sequence[int], max_results: int) -> RawPage:
        """One page as it came over the wire."""
        ...

    async def wait_for_changes(
        self, cursor: str, folder_ids: Sequence[int], timeout_s: float | None = None
    ) -> bool:
        """Long-poll: whether something is listable behind the cursor."""
        ...


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is sealed: whichever comes first.

    Attributes:
        rows: events.
        bytes: bytes of the pages as they came over the wire.
        seconds: age of its first event.
    """

    rows: int = 100_000
    bytes: int = 64 * 2**20
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if self.rows < 1 or self.bytes < 1 or not self.seconds > 0:
            raise UsageError("A batch needs at least one row, one byte, and more than zero seconds.")


@dataclass(frozen=True, slots=True)
class Progress:
    """How a collection stands.

    Attributes:
        events: events read in this run.
        committed: events of them that are safe in the lake.
        quarantined: entries of this run that could not be read.
        batches: commits of this run.
        rate: events per second over the last seconds.
        phase: ``baseline`` or ``live``.
        caught_up: whether the Portal had nothing more when last asked.
        position: where the feed stands, durably.
        trouble: what is being retried at the moment, or an empty string.
    """

    events: int = 0
    committed: int = 0
    quarantined: int = 0
    batches: int = 0
    rate: float = 0.0
    phase: str = BASELINE
    caught_up: bool = False
    position: Position | None = None
    trouble: str = ""

    @property
    def last_commit_at(self) -> datetime | None:
        """When the last batch was committed."""
        return self.position.committed_at if self.position else None

    @property
    def lag_s(self) -> float | None:
        """How long the newest committed change had waited since it reached the Portal."""
        return self.position.lag_s if self.position else None


@dataclass(slots=True)
class _Batch:
    """Decoded pages on their way to one commit."""

    tables: list[pa.Table] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    rows: int = 0
    size_bytes: int = 0
    cursor: str | None = None
    caught_up: bool = False
    since: float | None = None

    def add(self, body: bytes) -> Page:
        page = decode_page(body)
        if self.since is None:
            self.since = time.monotonic()
        if len(page):
            self.tables.append(page.table())
        self.rejects += [Rejected(self.rows + r.position, r.reason, r.raw) for r in page.rejects]
        self.rows += len(page) + len(page.rejects)
        self.size_bytes += len(body)
        self.cursor, self.caught_up = page.cursor, not page.has_more
        return page


class Collector:
    """Drains the feed of one set of cloud folders into a lake, exactly once.

    Args:
        notifications: a logged-in client's ``notifications``.
        lake: where to write.
        feed: name of the stream, see :func:`feed_name`.
        folder_ids: cloud folder uids; none means all that the session may see.
        limits: when a batch is sealed.
        follow: go on when caught up, until :meth:`stop` or the deadline.
        deadline_s: stop after so many seconds (implies ``follow``).
        resync: begin a new baseline epoch with a null cursor.
        progress: called after each page, commit and retry.

    Example:
        >>> async with AsyncGlobalAdmin("portal.example.com") as admin:  # doctest: +SKIP
        ...     await admin.login("admin", "…")
        ...     await Collector(admin.notifications, Lake("data"), "example").run()
    """

    def __init__(
        self,
        notifications: Notifications,
        lake: Lake,
        feed: str,
        *,
        folder_ids: Sequence[int] = (),
        limits: BatchLimits | None = None,
        follow: bool = False,
        deadline_s: float | None = None,
        resync: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._notifications = notifications
        self._lake = lake
        self._feed = feed
        self._folder_ids = list(folder_ids)
        self._limits = limits or BatchLimits()
        self._follow = follow or deadline_s is not None
        self._deadline_s = deadline_s
        self._resync = resync
        self._report = progress or (lambda _: None)
        self._stopping = False
        self._fetching: asyncio.Task[None] | None = None
        self._rate = _Rate()
        self.progress = Progress()

    def stop(self) -> None:
        """Read no further page; commit what was read, then let :meth:`run` return."""
        self._stopping = True
        if self._fetching:
            self._fetching.cancel()

    def monitor(self) -> LiveView:
        """Run on this kernel's event loop, and show how it goes, with a button to stop it."""
        from ctera_insights.widgets.live import monitor

        return monitor(self)

    def trouble(self, error: BaseException, wait_s: float) -> None:
        """Show that a request is about to be retried; fits the client's ``on_retry``."""
        self._update(trouble=f"{error} Trying again in {wait_s:.0f} s.")

    async def run(self) -> Progress:
        """Collect until caught up, until the deadline, or (``follow``) until stopped.

        Returns:
            The final progress; everything it counts as committed is durable.

        Raises:
            LakeError: the lake refused; the batches committed before are safe.
            PortalError: the Portal refused for good; what was read before is committed.
        """
        writer = FeedWriter(self._lake, self._feed)
        await asyncio.to_thread(writer.__enter__)
        try:
            if self._resync:
                writer.restart()
            self._update(position=writer.position, phase=writer.position.phase)
            await self._drain(writer)
        finally:
            writer.__exit__(None, None, None)
        return self.progress

    async def _drain(self, writer: FeedWriter) -> None:
        pages: asyncio.Queue[bytes | None] = asyncio.Queue()
        free = asyncio.Semaphore(PAGES_AHEAD)
        self._fetching = fetching = asyncio.create_task(
            self._fetch(pages, free, writer.position.cursor), name="fetch"
        )
        try:
            async with _later(self._deadline_s, self.stop):
                await self._commit_pages(writer, pages, free)
            await fetching  # raises what ended it
        finally:
            fetching.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await fetching

    async def _fetch(
        self, pages: asyncio.Queue[bytes | None], free: asyncio.Semaphore, cursor: str | None
    ) -> None:
        """Read pages one after the other; behind the last comes ``None``, whatever ended it."""
        pause_s = 0.0
        try:
            while not self._stopping:
                await free.acquire()
                page = await self._notifications.list_raw(cursor, self._folder_ids, PAGE_EVENTS)
                cursor, more = page.cursor, page.has_more
                pages.put_nowait(page.body)
                # A Portal that tells of changes and then lists none must not be spun on.
                pause_s = min(max(pause_s * 2, 0.1), LONGEST_PAUSE_S) if page.empty else 0.0
                await asyncio.sleep(pause_s)
                # The end of an inventory is not the end of the feed: the long-poll knows what came since.
                patience_s = None if self._follow else ASK_ONCE_S
                while not more:
                    more = await self._notifications.wait_for_changes(cursor, self._folder_ids, patience_s)
                    if not more and not self._follow:
                        return
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            pages.put_nowait(None)

    async def _commit_pages(
        self, writer: FeedWriter, pages: asyncio.Queue[bytes | None], free: asyncio.Semaphore
    ) -> None:
        """Decode pages into batches and commit them, the commit one step behind the decoding."""
        batch = _Batch()
        committing: asyncio.Task[None] | None = None
        try:
            body: bytes | None = b""
            while body is not None:
                try:
                    async with asyncio.timeout(self._patience_s(batch)):
                        body = await pages.get()
                except TimeoutError:  # the batch has reached its age
                    due = True
                else:
                    due = body is None
                    if body:
                        await self._decode(batch, body)
                        free.release()
                        due = self._is_full(batch, writer.position.phase)
                if not due:
                    continue
                if self._is_news(batch, writer):
                    if committing:
                        await asyncio.shield(committing)
                    committing = asyncio.create_task(self._commit(writer, batch), name="commit")
                    if batch.caught_up:  # what follows may belong to the next phase
                        await asyncio.shield(committing)
                batch = _Batch()
        finally:
            if committing:
                await asyncio.shield(committing)

    async def _decode(self, batch: _Batch, body: bytes) -> None:
        page = await asyncio.to_thread(batch.add, body)
        self._rate.add(len(page))
        self._update(
            events=self.progress.events + len(page),
            quarantined=self.progress.quarantined + len(page.rejects),
            caught_up=batch.caught_up,
            rate=self._rate.per_s(),
            trouble="",
        )

    def _patience_s(self, batch: _Batch) -> float | None:
        """How long the batch may wait for more; ``None`` when there is nothing to commit."""
        if batch.since is None:
            return None
        limit = self._limits.seconds
        if not batch.rows:
            limit = max(limit, EMPTY_COMMIT_S)
        return max(batch.since + limit - time.monotonic(), 0.0)

    def _is_full(self, batch: _Batch, phase: str) -> bool:
        return (
            batch.rows >= self._limits.rows
            or batch.size_bytes >= self._limits.bytes
            or self._patience_s(batch) == 0.0
            or (phase == BASELINE and batch.caught_up)  # the inventory ends with its own batch
        )

    @staticmethod
    def _is_news(batch: _Batch, writer: FeedWriter) -> bool:
        """Whether the batch says anything that the lake does not hold yet."""
        known = writer.position
        return bool(batch.rows) or (
            batch.cursor is not None and (batch.cursor != known.cursor or known.phase == BASELINE)
        )

    async def _commit(self, writer: FeedWriter, batch: _Batch) -> None:
        assert batch.cursor is not None
        try:
            position = await asyncio.to_thread(
                writer.commit,
                batch.tables,
                batch.rejects,
                cursor=batch.cursor,
                caught_up=batch.caught_up,
            )
        except BaseException:
            if self._fetching:
                self._fetching.cancel()  # wakes who waits for pages, and so hears of this
            raise
        self._update(
            committed=self.progress.committed + batch.rows - len(batch.rejects),
            batches=self.progress.batches + 1,
            position=position,
            phase=position.phase,
        )

    def _update(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type] # names are Progress' own
        self._report(self.progress)


class _Rate:
    """Events per second over the last few seconds."""

    WINDOW_S: Final = 5.0

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, events: int) -> None:
        self._seen.append((time.monotonic(), events))

    def per_s(self) -> float:
        now = time.monotonic()
        while self._seen and self._seen[0][0] < now - self.WINDOW_S:
            self._seen.popleft()
        if len(self._seen) < 2:
            return 0.0
        return sum(events for _, events in list(self._seen)[1:]) / max(now - self._seen[0][0], 1e-3)


@contextlib.asynccontextmanager
async def _later(delay_s: float | None, action: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``action`` after a delay, unless the block has ended by then."""
    if delay_s is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(delay_s, action)
    try:
        yield
    finally:
        timer.cancel()


def feed_name(url: str, context: str, folder_ids: Iterable[int] = ()) -> str:
    """The name of the stream that a Portal, a context and a set of cloud folders make.

    >>> feed_name("https://tenant.ctera.com", "admin", [40, 16])
    'tenant.ctera.com/admin/16,40'
    """
    host = url.partition("://")[2] or url
    ids = sorted(set(folder_ids))
    folders = ",".join(map(str, ids))
    if len(ids) > 8:  # names stay readable
        folders = f"{len(ids)}-folders-{hashlib.sha256(folders.encode()).hexdigest()[:12]}"
    return "/".join(part for part in (host.rstrip("/"), context, folders) if part)
