"""How far the derived tables are behind the raw ones, as any process can tell from the tables themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ctera_insights.activity.relations import files_of
from ctera_insights.activity.store import tables, watermark
from ctera_insights.errors import StoreNotFound
from ctera_insights.lake.notes import leave_note, read_note
from ctera_insights.lake.status import feed_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctera_insights.lake import Lake, Snapshot

DERIVING: Final = "deriving"
"""The note of a process whose deriving fails; gone when deriving has succeeded."""


@dataclass(frozen=True, slots=True)
class Behind:
    """How far deriving is behind.

    Attributes:
        batches: committed batches that activity was not derived from.
        events: the events in them, at most: a damaged file that holds others as well counts whole.
    """

    batches: int = 0
    events: int = 0

    def __add__(self, other: Behind) -> Behind:
        return Behind(self.batches + other.batches, self.events + other.events)


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


def behind(lake: Lake, feeds: Iterable[str] | None = None) -> dict[str, Behind]:
    """How far each feed's derived tables are behind; costs no scan but of files that a mark divides.

    Raises:
        StoreNotFound: nothing was ever collected there.
        StoreDamaged: a log cannot be read.
    """
    derived = tables(lake)
    snapshot = lake.events.snapshot()
    transaction = snapshot.table.delta().transaction_version
    found = {}
    for feed in feed_names(lake) if feeds is None else feeds:
        mark, last = watermark(derived, feed), transaction(feed) or 0
        events = _events(snapshot, feed, mark) if last > mark else 0
        found[feed] = Behind(last - mark, events) if events else Behind()  # empty batches want no deriving
    return found


def behind_in_all(lake: Lake) -> Behind:
    """The sum over all feeds; nothing where nothing was collected yet."""
    try:
        return sum(behind(lake).values(), Behind())
    except StoreNotFound:
        return Behind()


def _events(snapshot: Snapshot, feed: str, mark: int) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    files = [
        file
        for file in files_of(snapshot.files, feed)
        if (highest := file.max.get("batch")) is None or highest > mark
    ]
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
