"""Where a feed stands: read back from the table that its batches lie in, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import FileDamaged, StoreDamaged
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.intact import rows_of
from ctera_insights.model import BASELINE, LIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctera_insights.lake.lake import Lake
    from ctera_insights.lake.snapshot import DataFile


POSITIONS: Final = "positions"
"""The key of a repair's metadata under which the positions of all feeds stand, as a JSON list."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a feed stands.

    Attributes:
        cursor: what to send next; ``None`` begins a new inventory.
        batch: number of the last commit, 0 before the first.
        seq: number of the last event, 0 before the first.
        epoch: number of the current inventory and what followed it.
        phase: what the next page belongs to: ``baseline`` or ``live``.
        committed_at: when the last commit was made.
        lag_s: how long the newest change waited between the Portal and the lake, at the last commit of live
            changes; below zero, the Portal's clock was ahead of the collector's.
        rejected: entries that could not be read and went to quarantine, as far as the commits tell it.
    """

    cursor: str | None = None
    batch: int = 0
    seq: int = 0
    epoch: int = 1
    phase: str = BASELINE
    committed_at: datetime | None = None
    lag_s: float | None = None
    rejected: int = 0


@bordered
def read_position(lake: Lake, feed: str) -> Position:
    """Where a feed stands, from the table itself.

    The newest commit of the feed tells it in its metadata. When that log entry has expired, the rows of the
    feed's last batch do; a later batch without rows then counts as never read, which repeats nothing.

    Raises:
        StoreDamaged: batches were committed, and nothing tells their cursor.
        StoreUnreachable: the store does not answer.
    """
    batch = lake.events.transaction(feed)
    if not batch:
        return Position()
    limit = 16
    while True:
        history = lake.events.delta().history(limit)
        for entry in history:
            for told in told_by(entry):
                if told.get("feed") == feed and told.get("batch") == str(batch):
                    return _from_metadata(told)
        if len(history) < limit:
            break
        limit *= 8
    return _from_rows(lake, feed, batch)


def to_metadata(feed: str, position: Position) -> dict[str, str]:
    """What a commit says of the position behind it."""
    return {
        "feed": feed,
        "batch": str(position.batch),
        "seq": str(position.seq),
        "epoch": str(position.epoch),
        "phase": position.phase,
        "cursor": position.cursor or "",
        "committed_at": position.committed_at.isoformat() if position.committed_at else "",
        "lag_s": "" if position.lag_s is None else f"{position.lag_s:.3f}",
        "rejected": str(position.rejected),
    }


def told_by(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The positions that the metadata of a commit tells: that of its feed, or of a repair those of all."""
    if POSITIONS in metadata:
        return list(json.loads(metadata[POSITIONS]))
    return [dict(metadata)] if metadata.get("feed") else []


def _from_metadata(entry: dict[str, Any]) -> Position:
    return Position(
        cursor=entry["cursor"],
        batch=int(entry["batch"]),
        seq=int(entry["seq"]),
        epoch=int(entry["epoch"]),
        phase=entry["phase"],
        committed_at=datetime.fromisoformat(entry["committed_at"]),
        lag_s=float(entry["lag_s"]) if entry["lag_s"] else None,
        rejected=int(entry.get("rejected", 0)),  # earlier versions did not tell it
    )


def _from_rows(lake: Lake, feed: str, committed: int) -> Position:
    if last := _last_row(lake, feed):
        return Position(
            cursor=last["cursor"],
            batch=committed,
            seq=last["seq"],
            epoch=last["epoch"],
            phase=LIVE if last["caught_up"] else last["phase"],
            committed_at=last["collected_at"],
        )
    raise StoreDamaged(
        f"{lake.uri}: {feed!r} has committed {committed} batches, but no cursor is left. "
        "Collect again with --resync to begin a new baseline."
    )


def _last_row(lake: Lake, feed: str) -> dict[str, Any] | None:
    """The last event of a feed. A file of several feeds may hold none of it, whatever its bounds are."""
    import pyarrow.compute as pc

    columns = ["feed", "batch", "seq", "epoch", "phase", "collected_at", "cursor", "caught_up"]
    last: dict[str, Any] | None = None
    mine = [file for file in lake.events.snapshot().files if _covers(file.min, file.max, feed)]
    for file in sorted(mine, key=_last_batch, reverse=True):
        if last is not None and _last_batch(file) < last["batch"]:
            break
        try:
            rows = rows_of(lake.events, file, columns)
        except FileDamaged as error:
            raise FileDamaged(
                f"{lake.events.place.uri}/{error.path} {error.what}. It holds the last events of {feed!r}, "
                f"which tell its cursor: `ctera-insights check --repair --data {lake.uri}` looks for older "
                "files that hold them.",
                path=error.path,
                what=error.what,
            ) from error
        rows = rows.filter(pc.equal(rows["feed"], feed))
        if len(rows):
            newest = rows.sort_by([("seq", "descending")]).slice(0, 1).to_pylist()[0]
            last = newest if last is None or newest["seq"] > last["seq"] else last
    return last


def _last_batch(file: DataFile) -> int:
    return int(file.max.get("batch") or 0)


def _covers(low: Any, high: Any, feed: str) -> bool:
    return bool(low.get("feed", feed) <= feed <= high.get("feed", feed))
