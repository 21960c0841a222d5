"""Where a live view looks: a store that another process writes, or a collector of this one.

A store is followed by its transaction log alone: no lock is taken and no data is scanned, and while nothing
is committed one look at the log's directory is all that happens.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ctera_insights.activity.behind import behind_in_all, failure
from ctera_insights.activity.store import tables
from ctera_insights.errors import StoreNotFound
from ctera_insights.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime

    from ctera_insights.collect import Progress

_RECENT: Final = 8
_RATE_WINDOW_S: Final = 30.0


class Watched(Protocol):
    """What a collector shows; see :class:`~ctera_insights.collect.Collector`."""

    progress: Progress

    def run(self) -> Coroutine[Any, Any, Progress]:
        """Collect."""
        ...

    def stop(self) -> None:
        """Commit what was read, then return from ``run``."""
        ...


class Source(Protocol):
    """Where a live view looks."""

    title: str

    def look(self) -> dict[str, Any] | None:
        """What is to be shown; ``None`` when nothing changed."""
        ...


class StoreSource:
    """A store that some process writes."""

    def __init__(self, lake: Lake) -> None:
        # Its own view of the tables: the one that was given may be in use on another thread.
        self._lake = Lake(lake.uri, lake.place.options or None)
        self._derived = tables(self._lake)
        self.title = self._lake.uri
        self._seen: object = None
        self._started: int | None = None
        self._counts: deque[tuple[float, int]] = deque()

    def look(self) -> dict[str, Any] | None:
        """The store's status, when something was committed since the last look."""
        mark = self._mark()
        if mark is not None and mark == self._seen:
            return self._settled()
        try:
            status = self._lake.status()
        except StoreNotFound:
            return {"waiting": f"Nothing has been collected into {self.title} yet."}
        self._seen = mark
        if self._started is None:
            self._started = status.events
        self._counts.append((time.monotonic(), status.events))
        feeds = [
            {
                "feed": feed.feed,
                "phase": feed.position.phase,
                "batch": feed.position.batch,
                "committed": _ms(feed.position.committed_at),
                "lag_s": feed.position.lag_s,
            }
            for feed in status.feeds
        ]
        return {
            "waiting": "",
            "events": status.events,
            "arrived": status.events - self._started,
            "batches": status.batches,
            "quarantined": status.quarantined,
            "size_bytes": status.bytes,
            "committed": _ms(status.last_commit_at),
            "lag_s": status.lag_s,
            "rate": self._rate(),
            "feeds": feeds,
            **self._recent(),
            **self._deriving(),
        }

    def _mark(self) -> object:
        """Something that changes with every commit and derivation; ``None`` where nothing is there yet."""
        if not self._lake.place.local:
            versions: list[int | None] = []
            for table in (self._lake.events, self._derived.folders):
                with contextlib.suppress(StoreNotFound):
                    versions.append(table.delta(refresh=True).version())
            return tuple(versions) or None
        marks = []
        for place in ("events/_delta_log", "quarantine/_delta_log", "folders/_delta_log", ".notes"):
            with contextlib.suppress(FileNotFoundError):
                marks.append((place, (Path(self._lake.uri) / place).stat().st_mtime_ns))
        return tuple(marks) or None

    def _deriving(self) -> dict[str, Any]:
        """How far deriving is behind, and what keeps it, as far as any process has noted it."""
        lag = behind_in_all(self._lake)
        failing = failure(self._lake) if lag.batches else None
        return {
            "behind_batches": lag.batches,
            "behind_events": lag.events,
            "trouble": f"Deriving activity fails: {failing.error}" if failing else "",
        }

    def _settled(self) -> dict[str, Any] | None:
        """Nothing was committed: only the rate may have changed."""
        if not self._counts or len(self._counts) == 1:
            return None
        rate = self._rate()
        if not rate:
            last = self._counts[-1]
            self._counts.clear()
            self._counts.append(last)
        return {"rate": rate}

    def _rate(self) -> float:
        now = time.monotonic()
        while len(self._counts) > 1 and self._counts[1][0] < now - _RATE_WINDOW_S:
            self._counts.popleft()
        first, last = self._counts[0], self._counts[-1]
        return (last[1] - first[1]) / max(now - first[0], 1.0)

    def _recent(self) -> dict[str, Any]:
        """The last events of the newest file; one that cannot be read leaves the rest of the view."""
        import pyarrow as pa

        try:
            return {"recent": self._newest()}
        except (OSError, pa.ArrowException) as error:
            return {"recent": [], "error": f"The latest events cannot be read: {error}"}

    def _newest(self) -> list[list[Any]]:
        import pyarrow.parquet as pq

        files = self._lake.events.snapshot().files
        newest = max(files, key=lambda f: (f.max.get("batch") or 0, f.max.get("seq") or 0), default=None)
        if newest is None or not self._lake.place.local:
            return []
        columns = ["seq", "name", "type", "deleted", "portal_modified_date", "size"]
        table = pq.read_table(newest.uri, columns=columns).sort_by([("seq", "descending")]).slice(0, _RECENT)
        return [
            [_ms(row["portal_modified_date"]), row["name"], row["type"], bool(row["deleted"]), row["size"]]
            for row in table.to_pylist()
        ]


class CollectorSource:
    """A collector in this process."""

    title = "This kernel's collector"

    def __init__(self, collector: Watched) -> None:
        self.collector = collector
        self._seen: Progress | None = None

    def look(self) -> dict[str, Any] | None:
        """The collector's progress, when there is some."""
        progress = self.collector.progress
        if progress is self._seen:
            return None
        self._seen = progress
        return {
            "waiting": "",
            "events": progress.events,
            "arrived": progress.committed,
            "batches": progress.batches,
            "quarantined": progress.quarantined,
            "committed": _ms(progress.last_commit_at),
            "lag_s": progress.lag_s,
            "rate": progress.rate,
            "phase": progress.phase,
            "caught_up": progress.caught_up,
            "trouble": progress.trouble or progress.derive_trouble,
            "behind_batches": progress.behind_batches,
            "behind_events": progress.behind_events,
        }


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
