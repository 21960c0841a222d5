"""How far the derived tables are behind the raw ones, as any process can tell from the tables themselves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ctera_insights.activity.relations import files_of
from ctera_insights.activity.store import tables, watermark
from ctera_insights.errors import StoreNotFound
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.notes import leave_note, read_note
from ctera_insights.lake.position import read_position
from ctera_insights.lake.status import feed_names
from ctera_insights.model import BASELINE
from ctera_insights.text import to_minutes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctera_insights.lake import DataFile, Lake, Snapshot

DERIVING: Final = "deriving"
"""The note of a process whose deriving fails; gone when deriving has succeeded."""
OVERDUE: Final = timedelta(minutes=10)
"""Events that wait longer than this to be derived are told of; a collector that derives takes seconds."""


@dataclass(frozen=True, slots=True)
class Behind:
    """How far deriving is behind.

    Attributes:
        batches: committed batches that activity was not derived from.
        events: the events in them, at most: a damaged file that holds others as well counts whole.
        since: about when the first of them was collected, UTC; ``None`` when none waits, or nothing tells.
        never: whether some feed was never derived at all.
    """

    batches: int = 0
    events: int = 0
    since: datetime | None = field(default=None, compare=False)
    never: bool = field(default=False, compare=False)

    def __add__(self, other: Behind) -> Behind:
        return Behind(
            self.batches + other.batches,
            self.events + other.events,
            min((since for since in (self.since, other.since) if since is not None), default=None),
            self.never or other.never,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """What keeps deriving from getting on, as the process that derives noted it.

    Attributes:
        error: the last error.
        since: when it began to fail, UTC.
        at: when it failed last, UTC.
    """

    error: str
    since: datetime
    at: datetime


@bordered
def behind(lake: Lake, feeds: Iterable[str] | None = None) -> dict[str, Behind]:
    """How far each feed's derived tables are behind; costs no scan but of files that a mark divides.

    Args:
        lake: the raw batches.
        feeds: these; by default all that events were collected of.

    Raises:
        StoreNotFound: nothing was ever collected there.
        StoreDamaged: a log cannot be read.
    """
    derived = tables(lake)
    snapshot = lake.events.snapshot()
    transaction = snapshot.table.delta().transaction_version
    found = {}
    for feed in _with_events(lake, snapshot) if feeds is None else feeds:
        mark, last = watermark(derived, feed), transaction(feed) or 0
        waiting = _waiting(snapshot, feed, mark) if last > mark else []
        events = _events(snapshot, feed, mark, waiting)
        if not events:  # batches without any want no deriving
            found[feed] = Behind()
            continue
        begun = [file.min["collected_at"] for file in waiting if file.min.get("collected_at") is not None]
        found[feed] = Behind(last - mark, events, min(begun, default=None), never=not mark)
    return found


@bordered
def behind_in_all(lake: Lake) -> Behind:
    """The sum over all feeds; nothing where nothing was collected yet."""
    try:
        return sum(behind(lake).values(), Behind())
    except StoreNotFound:
        return Behind()


@bordered
def overdue(lake: Lake) -> str:
    """What the derived tables lack and nobody seems to derive, in a sentence; empty when all is well.

    Who asks for activity, objects or folders is told by it that the answer is not of all that was collected.
    """
    lags = {feed: lag for feed, lag in behind(lake).items() if lag.events}
    lag = sum(lags.values(), Behind())
    if not lag.events:
        return ""
    lacks = (
        f"Activity lacks {lag.batches:,} {'batch' if lag.batches == 1 else 'batches'} ({lag.events:,} "
        f"{'event' if lag.events == 1 else 'events'}) that were collected"
    )
    if failing := failure(lake):
        return f"{lacks}: deriving fails since {to_minutes(failing.since)} UTC: {failing.error}"
    if not lag.never and lag.since is not None and lag.since > datetime.now(UTC) - OVERDUE:
        return ""
    if all(_in_new_inventory(lake, feed) for feed in lags):
        return f"{lacks}: they wait for the end of a new inventory, with which the next `collect` goes on."
    return f"{lacks}: `ctera-insights enrich --data {lake.uri}` derives them."


def _in_new_inventory(lake: Lake, feed: str) -> bool:
    position = read_position(lake, feed)
    return position.phase == BASELINE and position.epoch > 1


def _with_events(lake: Lake, snapshot: Snapshot) -> list[str]:
    """The feeds that events were collected of, from what the log says of the files where that tells."""
    ends = {(file.min.get("feed"), file.max.get("feed")) for file in snapshot.files}
    if any(low is None or low != high for low, high in ends):
        return feed_names(lake)
    return sorted(str(low) for low, _ in ends)


def _waiting(snapshot: Snapshot, feed: str, mark: int) -> list[DataFile]:
    """The files that may hold events of a feed beyond a mark."""
    return [
        file
        for file in files_of(snapshot.files, feed)
        if (highest := file.max.get("batch")) is None or highest > mark
    ]


def _events(snapshot: Snapshot, feed: str, mark: int, files: list[DataFile]) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = [
        file
        for file in files
        if file.min.get("feed") == file.max.get("feed") == feed and (file.min.get("batch") or 0) > mark
    ]
    rows = sum(file.rows for file in whole)
    mine = (pc.field("feed") == feed) & (pc.field("batch") > mark)
    for file in (file for file in files if file not in whole):  # a mark, or another feed, divides it
        try:
            rows += replace(snapshot, files=[file]).dataset().count_rows(filter=mine)
        except (pa.ArrowException, OSError):  # whoever reads the events themselves tells of it
            rows += file.rows
    return rows


def note_failure(lake: Lake, error: str, since: datetime) -> None:
    """Let other processes see what keeps deriving from getting on."""
    leave_note(
        lake, DERIVING, {"error": error, "since": since.isoformat(), "at": datetime.now(UTC).isoformat()}
    )


def failure(lake: Lake) -> Failure | None:
    """What keeps deriving from getting on, if some process has noted it."""
    note = read_note(lake, DERIVING)
    try:
        return Failure(
            str(note["error"]), datetime.fromisoformat(note["since"]), datetime.fromisoformat(note["at"])
        )
    except (KeyError, TypeError, ValueError):
        return None
