"""How much may be under way at once: a number of requests, and a number of bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class InFlight:
    """Admits work first come, first served, while there is room for it.

    A piece of work larger than the whole room for bytes is admitted when nothing else is under way.

    Args:
        concurrency: pieces of work at once.
        max_bytes: sum of their sizes.
    """

    def __init__(self, concurrency: int, max_bytes: int) -> None:
        self._concurrency = concurrency
        self._max_bytes = max_bytes
        self._running = 0
        self._bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def slot(self, size_bytes: int) -> AsyncIterator[None]:
        """Wait for room for ``size_bytes``, and hold it for the body of the ``async with``."""
        if self._waiting or not self._fits(size_bytes):
            await self._wait(size_bytes)
        else:
            self._take(size_bytes)
        try:
            yield
        finally:
            self._give_back(size_bytes)

    def _fits(self, size_bytes: int) -> bool:
        if self._running >= self._concurrency:
            return False
        return not self._running or self._bytes + size_bytes <= self._max_bytes

    def _take(self, size_bytes: int) -> None:
        self._running += 1
        self._bytes += size_bytes

    def _give_back(self, size_bytes: int) -> None:
        self._running -= 1
        self._bytes -= size_bytes
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            size_bytes, ticket = self._waiting[0]
            if not ticket.done():
                if not self._fits(size_bytes):
                    return
                self._take(size_bytes)
                ticket.set_result(None)
            self._waiting.popleft()

    async def _wait(self, size_bytes: int) -> None:
        ticket = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, ticket))
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._give_back(size_bytes)  # admitted, and cancelled before it could run
            else:
                ticket.cancel()
                self._admit()
            raise
