"""Reading one answer within bounds: so many bytes, not too slowly, and never for minutes without a word."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Self

from ctera_insights.errors import AnswerTooLarge, PortalTimeout, UnreadableAnswer
from ctera_insights.portal.unpack import Unpacker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import aiohttp

    Tell = Callable[[PortalTimeout, float], None]

logger: Final = logging.getLogger(__name__)

SMALL_ANSWER: Final = 8 * 2**20
"""Bytes of any answer but a page, unpacked."""
ERROR_PAGE: Final = 64 * 2**10
"""Bytes read of an error page; what follows is of no interest."""
SAY_EVERY_S: Final = 15.0
"""After so long, and again, a slow answer is spoken of."""
SLOWEST_B_S: Final = 100
"""Bytes per second, on the wire, below which an answer is given up."""


class Watch:
    """Watches over one exchange, from the request to the last byte; ``async with`` it.

    A server that sends a byte now and then never meets a limit on silence, so that limit alone would hold a
    client for ever.

    Args:
        what: what was asked, for messages.
        head_s: seconds until the answer's head is there.
        window_s: seconds over which the rate is taken.
        tell: told of slowness, with the seconds until the answer is given up; ``None`` for a request whose
            answer is meant to take its time.
    """

    def __init__(self, what: str, *, head_s: float, window_s: float, tell: Tell | None) -> None:
        self._what = what
        self._head_s = head_s
        self._window_s = window_s
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._bound = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._begun = self._told_at = self._loop.time()
        self._window_at: float | None = None
        self._window_bytes = 0
        self._bytes = 0
        self._reason = ""

    async def __aenter__(self) -> Self:
        await self._bound.__aenter__()
        self._arm()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._bound.__aexit__(kind, error, traceback)
        except TimeoutError:
            if not self._reason:
                raise
        else:
            return
        raise PortalTimeout(self._reason)

    def head(self) -> None:
        """The answer's head is there."""
        self._window_at = self._loop.time()

    def received(self, size: int) -> None:
        """So many bytes of the body came."""
        self._bytes += size
        self._window_bytes += size

    def _arm(self) -> None:
        self._timer = self._loop.call_later(min(SAY_EVERY_S, self._window_s / 2), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        left_s = self._left_s(now)
        if left_s <= 0:
            self._bound.reschedule(now)
            return
        if self._tell is not None and now - self._told_at >= SAY_EVERY_S:
            self._told_at = now
            slow = PortalTimeout(
                f"Still {self._doing} the answer to {self._what}: {self._bytes:,} bytes in "
                f"{now - self._begun:.0f} s."
            )
            logger.warning("%s", slow)
            self._tell(slow, left_s)
        self._arm()

    @property
    def _doing(self) -> str:
        return "waiting for" if self._window_at is None else "reading"

    def _left_s(self, now: float) -> float:
        """Seconds until the answer is given up if it goes on like this, and the reason."""
        if self._window_at is None:
            left_s = self._begun + self._head_s - now
            self._reason = f"No answer to {self._what} in {now - self._begun:.0f} s."
            return left_s
        left_s = self._window_at + self._window_s - now
        if left_s > 0:
            return left_s
        if self._window_bytes >= SLOWEST_B_S * (now - self._window_at):
            self._window_at, self._window_bytes = now, 0
            return self._window_s
        self._reason = (
            f"The answer to {self._what} comes too slowly: {self._bytes:,} bytes in {now - self._begun:.0f} "
            f"s, {self._window_bytes:,} in the last {now - self._window_at:.0f} s. The Portal, or something "
            "on the way to it, is overloaded."
        )
        return left_s


async def read_answer(response: aiohttp.ClientResponse, what: str, limit: int, watch: Watch) -> bytes:
    """The body of a success, unpacked; never more of it than ``limit`` bytes, packed or unpacked.

    Raises:
        AnswerTooLarge: there is more.
        UnreadableAnswer: it does not unpack.
        PortalUnreachable: it ends too early.
    """
    watch.head()
    unpacker = Unpacker(response.headers.get("Content-Encoding", ""), what)
    pieces: list[bytes] = []
    wire = size = 0
    async for data in response.content.iter_any():
        watch.received(len(data))
        wire += len(data)
        for piece in unpacker.pieces(data):
            pieces.append(piece)
            size += len(piece)
            if max(size, wire) > limit:
                response.close()
                raise AnswerTooLarge(
                    f"The answer to {what} is larger than {size_text(limit)}: no more of it was read."
                )
        if wire > limit:
            response.close()
            raise AnswerTooLarge(
                f"The answer to {what} is larger than {size_text(limit)} on the wire: no more of it was read."
            )
    unpacker.end()
    return b"".join(pieces)


async def read_error_page(response: aiohttp.ClientResponse, what: str, watch: Watch) -> bytes:
    """What there is to read at the beginning of an error page; where it does not unpack, its status tells."""
    watch.head()
    page = b""
    try:
        unpacker = Unpacker(response.headers.get("Content-Encoding", ""), what)
        async for data in response.content.iter_any():
            watch.received(len(data))
            for piece in unpacker.pieces(data):
                page += piece
                if len(page) > ERROR_PAGE:
                    response.close()
                    return page[:ERROR_PAGE]
    except UnreadableAnswer:
        response.close()
    return page


def size_text(size: int) -> str:
    """A limit as people write it.

    >>> size_text(256 * 2**20), size_text(1000)
    ('256 MiB', '1,000 bytes')
    """
    return f"{size / 2**20:,.0f} MiB" if size >= 2**20 else f"{size:,} bytes"
