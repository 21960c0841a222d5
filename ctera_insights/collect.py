"""From a Portal to the lake: pages -> columns -> batches -> commits, each stage one step ahead of the next.

While a batch is written, the next one is decoded, and while a page is decoded, the next one is on its way.
Each stage holds a bounded amount: a slow disk slows the Portal reads, and memory stays flat in a long drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from ctera_insights.batch import Batch, BatchLimits, Rate
from ctera_insights.errors import FeedStuck
from ctera_insights.lake import FeedWriter, feed_name
from ctera_insights.lake.notes import leave_note, read_note
from ctera_insights.model import BASELINE
from ctera_insights.portal.standstill import Standstill

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from ctera_insights.lake import Lake, Position
    from ctera_insights.portal.pages import RawPage
    from ctera_insights.widgets.live import LiveView

__all__ = ["BatchLimits", "Collector", "Progress", "feed_name"]

PAGE_EVENTS: Final = 2000
PAGES_AHEAD: Final = 2
"""Pages read from the Portal that wait to be decoded."""
ASK_ONCE_S: Final = 0.1
"""How long the Portal may hold the question whether there is more, before a drain counts as caught up."""
EMPTY_ANSWERS: Final = 10
"""A drain counts as caught up after so many lists that brought nothing, though the long poll said yes."""


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
        behind_batches: committed batches of all feeds that activity was not derived from yet.
        behind_events: the events in them.
        derive_trouble: why deriving does not get on, or an empty string.
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
    behind_batches: int = 0
    behind_events: int = 0
    derive_trouble: str = ""

    @property
    def last_commit_at(self) -> datetime | None:
        """When the last batch was committed."""
        return self.position.committed_at if self.position else None

    @property
    def lag_s(self) -> float | None:
        """How long the newest committed change had waited; below zero, the Portal's clock is ahead."""
        return self.position.lag_s if self.position else None


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
        self._held = False
        self._rate = Rate()
        self.answered = False
        self.last_failure = ""
        self.progress = Progress()

    @contextlib.asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """Hold the feed already now, e.g. before a login: a second collector of it hears so at once.

        Raises:
            StoreLocked: another process writes the feed.
        """
        with contextlib.ExitStack() as lock:
            await asyncio.to_thread(lock.enter_context, self._lake.locks.writer(self._feed))
            self._held = True
            try:
                yield
            finally:
                self._held = False

    def stop(self) -> None:
        """Read no further page; commit what was read, then let :meth:`run` return."""
        if not self._stopping:
            self._stopping = True
            if self._fetching:
                self._fetching.cancel()

    def monitor(self) -> LiveView:
        """Run on this kernel's event loop, and show how it goes, with a button to stop it."""
        from ctera_insights.widgets.live import monitor

        return monitor(self)

    def trouble(self, error: BaseException, wait_s: float) -> None:
        """Show that a request is about to be retried; fits the client's ``on_retry``."""
        self.last_failure = str(error)
        self._update(trouble=f"{error} Trying again in {wait_s:.0f} s.")

    def deriving(self, batches: int, events: int, trouble: str) -> None:
        """Show how far deriving is behind, and what keeps it."""
        self._update(behind_batches=batches, behind_events=events, derive_trouble=trouble)

    async def run(self) -> Progress:
        """Collect until caught up, until the deadline, or (``follow``) until stopped.

        Returns:
            The final progress; everything it counts as committed is durable.

        Raises:
            LakeError: the lake refused; the batches committed before are safe.
            PortalError: the Portal refused for good; what was read before is committed.
            FeedStuck: it serves the same again and again.
        """
        writer = FeedWriter(self._lake, self._feed, locked=self._held)
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
        delivered = cursor
        held: list[bytes] = []
        standstill = Standstill()
        try:
            standstill = await asyncio.to_thread(self._standstill, cursor)
            while not self._stopping:
                await free.acquire()
                page = await self._notifications.list_raw(cursor, self._folder_ids, PAGE_EVENTS)
                more = page.has_more
                try:
                    key, moved = None if page.empty else page.key, page.cursor != cursor
                    pause_s = standstill.look(key, more=more, moved=moved, objects=page.body)
                except FeedStuck:
                    await asyncio.to_thread(self._note_standstill, standstill, delivered)
                    raise
                self._heard(standstill.words)
                if standstill.suspicious and more:  # it waits until something new shows that it is no loop
                    held.append(page.body)
                    free.release()
                else:
                    for body in held:
                        pages.put_nowait(body)
                        await free.acquire()
                    held.clear()
                    pages.put_nowait(page.body)
                    delivered = page.cursor
                cursor = page.cursor
                await asyncio.sleep(pause_s)
                if not more and not await self._wait_for_more(cursor, standstill):
                    return
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            if standstill.suspicious:  # or short runs, one after the other, would each store it once more
                await asyncio.to_thread(self._note_standstill, standstill, delivered)
        finally:
            pages.put_nowait(None)

    async def _wait_for_more(self, cursor: str, standstill: Standstill) -> bool:
        """Whether more comes: the end of an inventory is not the end of the feed."""
        while self._follow or standstill.empties < EMPTY_ANSWERS:
            patience_s = None if self._follow else ASK_ONCE_S
            more = await self._notifications.wait_for_changes(cursor, self._folder_ids, patience_s)
            self._heard(standstill.words)
            if more or not self._follow:
                return more
        return False

    def _heard(self, trouble: str) -> None:
        """The Portal has answered."""
        self.answered = True
        if trouble != self.progress.trouble:
            self._update(trouble=trouble)

    def _standstill(self, cursor: str | None) -> Standstill:
        """With the pages that an earlier run was served for ever behind the same cursor."""
        note = read_note(self._lake, _note(self._feed))
        return Standstill(note.get("pages", ()) if note.get("cursor") == _digest(cursor) else ())

    def _note_standstill(self, standstill: Standstill, cursor: str | None) -> None:
        leave_note(self._lake, _note(self._feed), {"cursor": _digest(cursor), "pages": standstill.newest()})

    async def _commit_pages(
        self, writer: FeedWriter, pages: asyncio.Queue[bytes | None], free: asyncio.Semaphore
    ) -> None:
        """Decode pages into batches and commit them, the commit one step behind the decoding."""
        batch = Batch()
        committing: asyncio.Task[None] | None = None
        try:
            body: bytes | None = b""
            while body is not None:
                try:
                    async with asyncio.timeout(batch.patience_s(self._limits)):
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
                batch = Batch()
        finally:
            if committing:
                await asyncio.shield(committing)

    async def _decode(self, batch: Batch, body: bytes) -> None:
        page = await asyncio.to_thread(batch.add, body)
        self._rate.add(len(page))
        self._update(
            events=self.progress.events + len(page),
            quarantined=self.progress.quarantined + len(page.rejects),
            caught_up=batch.caught_up,
            rate=self._rate.per_s(),
        )

    def _is_full(self, batch: Batch, phase: str) -> bool:
        # The inventory ends with its own batch.
        return batch.is_full(self._limits) or (phase == BASELINE and batch.caught_up)

    @staticmethod
    def _is_news(batch: Batch, writer: FeedWriter) -> bool:
        """Whether the batch says anything that the lake does not hold yet."""
        known = writer.position
        return bool(batch.rows) or (
            batch.cursor is not None and (batch.cursor != known.cursor or known.phase == BASELINE)
        )

    async def _commit(self, writer: FeedWriter, batch: Batch) -> None:
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


def _note(feed: str) -> str:
    return f"standstill-{_digest(feed)[:16]}"


def _digest(text: str | None) -> str:
    return hashlib.sha256((text or "").encode("utf-8", "surrogatepass")).hexdigest()
