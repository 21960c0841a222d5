"""The queue service: events on a queue of the caller, the cursor handed back once they are done."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NoReturn

from ctera_insights.errors import ServiceStopped, UsageError
from ctera_insights.portal.feed import Feed
from ctera_insights.portal.standstill import Standstill, content_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ctera_insights.model import Event
    from ctera_insights.portal.feed import OnStop, SaveCursor
    from ctera_insights.portal.folders import CloudFolders
    from ctera_insights.portal.notifications import EventPage, Notifications
    from ctera_insights.portal.retry import RetryPolicy

logger: Final = logging.getLogger(__name__)

PAGE_SIZE: Final = 2000


class Service:
    """Puts events on a queue until it is stopped; one feed at a time.

    Example::

        async def worker(queue):
            while True:
                event = await queue.get()
                try:
                    print(event.name)
                finally:
                    queue.task_done()

        admin.notifications.service.run(queue, save_cursor, cursor=cursor)
        consumer = asyncio.create_task(worker(queue))
        await admin.notifications.service.wait()
    """

    def __init__(self, notifications: Notifications, retries: RetryPolicy) -> None:
        self._notifications = notifications
        self._retries = retries
        self._feed: Feed | None = None

    @property
    def running(self) -> bool:
        """Whether a feed is under way."""
        return self._feed is not None and not self._feed.task.done()

    def run(
        self,
        queue: asyncio.Queue[Event],
        save_cursor: SaveCursor,
        *,
        cloudfolders: CloudFolders | None = None,
        cursor: str | None = None,
        on_stop: OnStop | None = None,
    ) -> None:
        """Start, and return at once. Call it where an event loop runs.

        The events of one page go to ``queue``; when all are ``task_done()``, ``save_cursor`` gets the page's
        cursor, then the next page follows. That page is already fetched while you work on this one.
        What passes (a Portal restart, a lost session) is waited out; anything else ends the feed: see
        :meth:`wait`, ``on_stop`` and :meth:`events`. If nobody uses one of these, the end is logged as an
        error.

        Args:
            queue: receives :class:`~ctera_insights.model.Event`. ``queue.join()`` is awaited after each page,
                so other producers on the same queue delay the cursor.
            save_cursor: coroutine function or plain function; if it fails, the feed ends with its exception.
                The cursor of a page without events is saved too.
            cloudfolders: ids or :class:`~ctera_insights.portal.CloudFolder`; ``None``: all.
            cursor: the last one saved, or ``None`` for everything from the beginning.
            on_stop: called once at the end, with the exception that ended the feed, or ``None`` after
                :meth:`stop`.

        Raises:
            UsageError: it is running already.
        """
        if self.running:
            raise UsageError("The service is running already: stop() it first, or use another client.")
        self._feed = Feed(self._pages(cloudfolders, cursor), queue, save_cursor, on_stop)

    async def stop(self) -> None:
        """End the feed and wait until it has ended. A ``save_cursor`` under way is allowed to finish.

        Events of the current page that were not done come again when a feed starts at the last saved cursor.
        May be called at any time, also twice, also from ``save_cursor``.
        """
        if self._feed is not None:
            await self._feed.stop()

    async def wait(self) -> NoReturn:
        """Wait for the end of the feed.

        Raises:
            ServiceStopped: it was stopped.
            UsageError: it was never started.
            Exception: whatever else ended it.
        """
        feed = self._started()
        with feed.listening():
            await asyncio.wait({feed.task})
        raise feed.error or ServiceStopped("The notification service was stopped.")

    async def events(self, queue: asyncio.Queue[Event]) -> AsyncGenerator[Event, None]:
        """Iterate over the events of ``queue``; each is ``task_done()`` when its turn of the loop is over.

        Ends when the service is stopped; otherwise raises what ended it, after what was delivered till then.
        """
        feed = self._started()
        if queue is not feed.queue:
            raise UsageError("The service puts its events on another queue: give the one that run() got.")
        with feed.listening():
            while not feed.stopped:
                event = await feed.next_event()
                if event is None:
                    break
                try:
                    yield event
                finally:
                    queue.task_done()
        if feed.error is not None:
            raise feed.error

    def _started(self) -> Feed:
        if self._feed is None:
            raise UsageError("The service was never started: call run() first.")
        return self._feed

    async def _pages(
        self, cloudfolders: CloudFolders | None, cursor: str | None
    ) -> AsyncGenerator[EventPage, None]:
        notifications, retries = self._notifications, self._retries
        ids = await notifications.folder_ids(cloudfolders, retries=retries)
        cursor = cursor or None
        standstill = Standstill()
        more, pause_s = cursor is None, 0.0
        while True:
            await asyncio.sleep(pause_s)
            if not more:
                while not await notifications.wait_for_changes(cursor, ids, retries=retries):
                    pass
            page = await notifications.page(cursor, ids, PAGE_SIZE, retries=retries)
            if page.rejects:
                logger.error(
                    "%d entries of the Portal's page cannot be read and are left out; the first: %s: %r",
                    len(page.rejects),
                    page.rejects[0].reason,
                    page.rejects[0].raw[:200],
                )
            more = page.has_more and (bool(page) or page.cursor != cursor)
            # A Portal that announces changes and lists none, or the same, must not be asked in a tight loop.
            pause_s = standstill.look(
                _key(page),
                more=page.has_more,
                moved=page.cursor != cursor,
                objects=[entry.guid.encode("utf-8", "surrogatepass") for entry in page.entries if entry.guid],
            )
            if standstill.words:
                logger.warning("%s The next request waits %.0f s.", standstill.words, pause_s)
            cursor = page.cursor
            yield page


def _key(page: EventPage) -> str | None:
    if not len(page) and not page.rejects:
        return None
    ends = (*page.entries[:16], *page.entries[-16:])
    texts = [repr(entry).encode("utf-8", "surrogatepass") for entry in ends]
    return content_key(*texts, *(reject.raw for reject in page.rejects), size=len(page))
