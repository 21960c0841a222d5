"""Decoded pages on their way to one commit: when a batch is sealed, and how fast they come."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import UsageError
from ctera_insights.lake import Rejected
from ctera_insights.portal.pages import decode_page

if TYPE_CHECKING:
    import pyarrow as pa

    from ctera_insights.portal.pages import Page

EMPTY_COMMIT_S: Final = 60.0
"""A cursor that moved without events is committed this often at the most."""


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


@dataclass(slots=True)
class Batch:
    """Decoded pages on their way to one commit."""

    tables: list[pa.Table] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    rows: int = 0
    size_bytes: int = 0
    cursor: str | None = None
    caught_up: bool = False
    since: float | None = None

    def add(self, body: bytes) -> Page:
        """Decode a page into it."""
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

    def patience_s(self, limits: BatchLimits) -> float | None:
        """How long it may wait for more; ``None`` when there is nothing to commit."""
        if self.since is None:
            return None
        limit = limits.seconds
        if not self.rows:
            limit = max(limit, EMPTY_COMMIT_S)
        return max(self.since + limit - time.monotonic(), 0.0)

    def is_full(self, limits: BatchLimits) -> bool:
        """Whether it has reached one of its limits."""
        return self.rows >= limits.rows or self.size_bytes >= limits.bytes or self.patience_s(limits) == 0.0


class Rate:
    """Events per second over the last few seconds."""

    WINDOW_S: Final = 5.0

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, events: int) -> None:
        """So many came now."""
        self._seen.append((time.monotonic(), events))

    def per_s(self) -> float:
        """The rate at the moment."""
        now = time.monotonic()
        while self._seen and self._seen[0][0] < now - self.WINDOW_S:
            self._seen.popleft()
        if len(self._seen) < 2:
            return 0.0
        return sum(events for _, events in list(self._seen)[1:]) / max(now - self._seen[0][0], 1e-3)
