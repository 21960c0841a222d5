"""One run of the queue service: deliver a page, wait until it is done, save its cursor; one page ahead."""

from __future__ import annotations

import asyncio
import inspect
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import ServiceStopped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence

    from ctera_insights.model import Event
    from ctera_insights.portal.notifications import EventPage

    SaveCursor = Callable[[str], Awaitable[object] | object]
    OnStop = Callable[[BaseException | None], Awaitable[object] | object]

logger: Final = logging.getLogger(__name__)

_SAVE_GRACE_S: Final = 10.0
"""How long a ``save_cursor`` under way may take to finish once the feed is stopped."""
_STALL_S: Final = 300.0
"""After how long without a finished page to say so."""


class Feed:
    """From :meth:`Service.run` to the end.

    Attributes:
        queue: the caller's.
        task: ends when the feed has ended and whoever wanted to know was told.
        error: what ended it; ``None`` while it runs, and when it was stopped.
    """

    def __init__(
        self,
        pages: AsyncGenerator[EventPage, None],
        queue: asyncio.Queue[Event],
        save_cursor: SaveCursor,
        on_stop: OnStop | None,
    ) -> None:
        self.queue = queue
        self.error: BaseException | None = None
        self._pages = pages
        self._save_cursor = save_cursor
        self._on_stop = on_stop
        self._saving: asyncio.Future[object] | None = None
        self._begun = False
        self._stop_asked = False
        self._cancelled = False
        self._listeners = 0
        self.task = asyncio.get_running_loop().create_task(self._run(), name="notification service")

    @property
    def stopped(self) -> bool:
        """Whether it ended because it was stopped."""
        return self.task.done() and self.error is None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While someone is here, the end of the feed need not be logged: they will raise it."""
        self._listeners += 1
        try:
            yield
        finally:
            self._listeners -= 1

    async def stop(self) -> None:
        """See :meth:`Service.stop`."""
        if self.task.done():
            return
        self._stop_asked = True
        if asyncio.current_task() in (self.task, self._saving):
            return  # called from a callback of ours, which cannot wait for its own end
        if not self._begun:
            await asyncio.sleep(0)
        if not self._cancelled:
            self._cancelled = True
            self.task.cancel()
        await asyncio.wait({self.task})

    async def next_event(self) -> Event | None:
        """The next event on the queue; ``None`` when the feed has ended and the queue is empty."""
        try:
            return self.queue.get_nowait()
        except asyncio.QueueEmpty:
            getting = asyncio.ensure_future(self.queue.get())
        try:
            await asyncio.wait({getting, self.task}, return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            await _cancel(getting)

    async def _run(self) -> None:
        self._begun = True
        try:
            await self._forward()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                self.error = ServiceStopped("The feed ended: something that it waited for was cancelled.")
        except Exception as error:  # noqa: BLE001  (handed to whoever waits, or logged)
            self.error = error
        await self._tell()

    async def _forward(self) -> None:
        upcoming = self._fetch()
        try:
            while not self._stop_asked:
                page = await upcoming
                upcoming = self._fetch()
                await self._deliver(page.entries)
                await self._save(page.cursor)
        finally:
            await _cancel(upcoming)
            await self._pages.aclose()

    def _fetch(self) -> asyncio.Task[EventPage]:
        async def page() -> EventPage:
            return await anext(self._pages)

        return asyncio.create_task(page(), name="notification service: next page")

    async def _deliver(self, events: Sequence[Event]) -> None:
        if not events:
            return
        queue = self.queue
        for event in events:
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                await queue.put(event)
        joining = asyncio.ensure_future(queue.join())
        try:
            while not (await asyncio.wait({joining}, timeout=_STALL_S))[0]:
                logger.warning(
                    "A page is unfinished after %d s, with %d events still on the queue: is every event "
                    "task_done(), also after an error?",
                    _STALL_S,
                    queue.qsize(),
                )
        finally:
            await _cancel(joining)

    async def _save(self, cursor: str) -> None:
        saved = self._save_cursor(cursor)
        if not inspect.isawaitable(saved):
            return
        self._saving = asyncio.ensure_future(saved)
        try:
            await asyncio.shield(self._saving)
        except asyncio.CancelledError:
            # A stop must not leave half a cursor behind.
            await asyncio.wait({self._saving}, timeout=_SAVE_GRACE_S)
            if self._saving.done():
                self._saving.result()
            raise
        finally:
            await _cancel(self._saving)
            self._saving = None

    async def _tell(self) -> None:
        if self.error is not None and self._on_stop is None and not self._listeners:
            logger.error("The notification service has ended: %s", self.error, exc_info=self.error)
        if self._on_stop is None:
            return
        try:
            told = self._on_stop(self.error)
            if inspect.isawaitable(told):
                await told
        except Exception:
            logger.exception("on_stop failed; it was called with %r", self.error)


async def _cancel(future: asyncio.Future[Any]) -> None:
    """End a future and take its outcome, so that nothing leaks and nothing warns."""
    if not future.done():
        future.cancel()
        await asyncio.wait({future})
    if not future.cancelled():
        future.exception()
