"""What a lake holds, and where each of its feeds stands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctera_insights.errors import FileDamaged
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.intact import open_intact, row_groups
from ctera_insights.lake.position import Position, read_position, told_by

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


def last_seqs(lake: Lake) -> dict[str, int]:
    """The number of each feed's last event; feeds that only damaged files tell of are left out."""
    return {feed: read_position(lake, feed).seq for feed in feed_names(lake, damaged=True)}


@bordered
def feed_names(lake: Lake, *, damaged: bool = False) -> list[str]:
    """The feeds that ever committed to a lake, from its log entries and its files' statistics.

    Args:
        lake: which lake.
        damaged: pass over files that cannot be read, instead of refusing.

    Raises:
        FileDamaged: entries of the log have expired, and a file that should tell instead is damaged.
    """
    import pyarrow.compute as pc

    history = lake.events.delta(refresh=True).history()
    names: set[str] = {told["feed"] for entry in history for told in told_by(entry)}
    snapshot = lake.events.snapshot()
    for file in snapshot.files:
        low, high = file.min.get("feed"), file.max.get("feed")
        if low is not None and low == high:
            names.add(low)
    if any(entry.get("version") == 0 for entry in history):
        return sorted(names)
    for file in snapshot.files:
        if file.min.get("feed") == file.max.get("feed"):
            continue
        try:
            parquet = open_intact(lake.events.place, file.path)
            for rows in row_groups(lake.events.place, file.path, parquet, ["feed"]):
                names.update(pc.unique(rows["feed"]).to_pylist())
        except FileDamaged:
            if not damaged:
                raise
    return sorted(names)
