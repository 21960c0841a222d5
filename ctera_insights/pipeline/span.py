"""The time that a run has: until its deadline, or until it is told to stop. It binds the whole run."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType


class TimeIsUp(Exception):
    """The work inside :meth:`Span.within` was cut short; never seen outside this package."""


class Span:
    """From the first byte of a run to its end; an async context manager.

    Args:
        seconds: the deadline, seconds from now; ``None``: no deadline.
        stop: when set, the run ends now.

    Attributes:
        stopped: whether it was told to stop.
        late: whether the deadline has passed.
    """

    def __init__(self, seconds: float | None, stop: asyncio.Event | None) -> None:
        self.seconds = seconds
        self.stopped = False
        self.late = False
        self._stop = stop
        self._deadline: float | None = None
        self._open: set[asyncio.Timeout] = set()
        self._at_end: list[Callable[[], None]] = []
        self._watching = contextlib.ExitStack()

    @property
    def over(self) -> bool:
        """Whether the run is to end."""
        return self.stopped or self.late

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self.seconds is not None:
            self._deadline = loop.time() + self.seconds
            self._watching.callback(loop.call_at(self._deadline, self._pass_deadline).cancel)
        if self._stop is not None:
            self._watching.callback(loop.create_task(self._watch(self._stop), name="stop").cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.close()

    def at_end(self, action: Callable[[], None]) -> None:
        """Call ``action`` when the run is to end, or now when it is already."""
        self._at_end.append(action)
        if self.over:
            action()

    @contextlib.asynccontextmanager
    async def within(
        self, limit_s: float | None = None, *, grace_s: float | None = None
    ) -> AsyncIterator[None]:
        """Cut the block short when the run is to end.

        Args:
            limit_s: and after so many seconds in any case.
            grace_s: not at the deadline, but so many seconds behind it; begun after the run was told to stop,
                so many seconds from now.

        Raises:
            TimeIsUp: it was cut short.
        """
        now = asyncio.get_running_loop().time()
        ends = [] if limit_s is None else [now + limit_s]
        if self._deadline is not None:
            ends.append(self._deadline + (grace_s or 0.0))
        if self.stopped:
            ends.append(now + (grace_s or 0.0))
        timeout = asyncio.timeout_at(min(ends, default=None))
        try:
            async with timeout:
                self._open.add(timeout)
                try:
                    yield
                finally:
                    self._open.discard(timeout)
        except TimeoutError:
            if timeout.expired():
                raise TimeIsUp from None
            raise

    def _pass_deadline(self) -> None:
        self.late = True
        self._end()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.stopped = True
        now = asyncio.get_running_loop().time()
        for timeout in list(self._open):
            timeout.reschedule(now)
        self._end()

    def _end(self) -> None:
        for action in self._at_end:
            action()
