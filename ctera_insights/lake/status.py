"""What a lake holds, and where each of its feeds stands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctera_insights.lake.position import Position, read_position

if TYPE_CHECKING:
    from datetime import datetime

    from ctera_insights.lake.lake import Lake


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """One feed: its name and its last committed position."""

    feed: str
    position: Position

    @property
    def cursor_sha256(self) -> str | None:
        """Fingerprint of the cursor, which itself may be kilobytes long."""
        cursor = self.position.cursor
        return None if cursor is None else hashlib.sha256(cursor.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Status:
    """A lake at a glance.

    Attributes:
        events: rows of ``events``.
        batches: commits of all feeds, those without rows included.
        quarantined: entries that could not be read.
        bytes: size of the current data files, in bytes.
        files: number of the current data files.
        feeds: each feed, the most recently committed first.
    """

    events: int
    batches: int
    quarantined: int
    bytes: int
    files: int
    feeds: list[FeedStatus]

    @property
    def cursor_sha256(self) -> str | None:
        """Fingerprint of the newest commit's cursor."""
        return self.feeds[0].cursor_sha256 if self.feeds else None

    @property
    def last_commit_at(self) -> datetime | None:
        """When the newest commit was made."""
        return self.feeds[0].position.committed_at if self.feeds else None

    @property
    def lag_s(self) -> float | None:
        """How long the newest change waited between the Portal and the lake; ``None`` before any."""
        return self.feeds[0].position.lag_s if self.feeds else None


def read_status(lake: Lake) -> Status:
    """Read the status of a lake from its logs; costs no scan of the data.

    Raises:
        StoreNotFound: nothing was ever collected there.
    """
    events = lake.events.snapshot()
    quarantine = lake.quarantine.snapshot() if lake.quarantine.exists() else None
    feeds = [FeedStatus(feed, read_position(lake, feed)) for feed in feed_names(lake)]
    feeds.sort(
        key=lambda feed: feed.position.committed_at.timestamp() if feed.position.committed_at else 0,
        reverse=True,
    )
    return Status(
        events=events.rows,
        batches=sum(feed.position.batch for feed in feeds),
        quarantined=quarantine.rows if quarantine else 0,
        bytes=events.size_bytes + (quarantine.size_bytes if quarantine else 0),
        files=len(events.files) + (len(quarantine.files) if quarantine else 0),
        feeds=feeds,
    )


def feed_names(lake: Lake) -> list[str]:
    """The feeds that ever committed to a lake, from its newest log entries and its files' statistics."""
    import pyarrow.compute as pc

    names = {entry["feed"] for entry in lake.events.delta(refresh=True).history() if entry.get("feed")}
    snapshot = lake.events.snapshot()
    for file in snapshot.files:
        low, high = file.min.get("feed"), file.max.get("feed")
        if low is not None and low == high:
            names.add(low)
    mixed = [file for file in snapshot.files if file.min.get("feed") != file.max.get("feed")]
    if mixed:
        dataset = type(snapshot)(snapshot.table, snapshot.version, mixed).dataset()
        for batch in dataset.to_batches(columns=["feed"]):
            names.update(pc.unique(batch["feed"]).to_pylist())
    return sorted(names)
