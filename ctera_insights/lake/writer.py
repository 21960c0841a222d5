"""The one writer of a feed: where it stands, and the commit that moves it on.

A batch is one commit of ``events``: rows, cursor and batch number land together or not at all. Entries that
could not be read are committed to ``quarantine`` just before, under the same batch number; a crash between
the two leaves quarantined rows of a batch that does not exist, which the next writer removes first. On an
object store, where no lock tells that the other is gone, it first restates its position in ``events``: that
fences a commit of the same batch which may still be under way.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import CommitUnclear, FileDamaged, LakeError, StoreFenced
from ctera_insights.lake.borders import reading
from ctera_insights.lake.intact import verify
from ctera_insights.lake.lost import refuse_partial_log
from ctera_insights.lake.maintain import maintain
from ctera_insights.lake.names import owner_of, require_feed_name
from ctera_insights.lake.position import Position, read_position, to_metadata
from ctera_insights.lake.sweep import remove_orphans, remove_staged
from ctera_insights.model import BASELINE, LIVE, events_schema, quarantine_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    import pyarrow as pa

    from ctera_insights.lake.lake import Lake
    from ctera_insights.lake.snapshot import DataFile
    from ctera_insights.lake.table import Table

logger: Final = logging.getLogger(__name__)

DAY_US: Final = 86_400_000_000
MAINTAIN_EVERY: Final = 64
"""Commits between compactions; without them each commit grows slower (9 ms to 580 ms at 3,000)."""
UPKEEP_RETRY: Final = 8
"""Commits between a compaction that failed and the next try."""
_RACES: Final = 4
"""How often a file that is to be cleared may be merged by another process at the same moment."""
UPKEEP_TRIES: Final = 3
"""Compactions that may fail one after the other before the writer gives up."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An unreadable entry of a batch: its place, the reason, its bytes."""

    position: int
    reason: str
    raw: bytes


class FeedWriter:
    """Appends the batches of one feed to a lake; a context manager that holds the feed's lock.

    Args:
        lake: where to write; created when it is not there.
        feed: name of the stream.
        locked: whether the caller holds the feed's lock already.

    Raises:
        UsageError: no feed can have this name.
        StoreLocked: another process writes the feed.
        StoreFenced: another machine writes the feed.
    """

    def __init__(self, lake: Lake, feed: str, *, locked: bool = False) -> None:
        require_feed_name(feed)
        self.lake = lake
        self.feed = feed
        self._locked = locked
        self.position = Position()
        self._stack = contextlib.ExitStack()
        self._owner = owner_of(feed)
        self._unclear = False
        self._commits = 0
        self._upkeep_at = MAINTAIN_EVERY
        self._upkeep_failed = 0

    def __enter__(self) -> Self:
        with reading(self.lake.uri, self.lake), contextlib.ExitStack() as stack:
            if not self._locked:
                stack.enter_context(self.lake.locks.writer(self.feed))
            self.lake.events.create()
            refuse_partial_log(self.lake)
            self.position = read_position(self.lake, self.feed)
            self._clear()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def restart(self) -> None:
        """Begin a new epoch: the next batch starts an inventory from a null cursor."""
        if self.position.batch:
            self.position = replace(self.position, cursor=None, epoch=self.position.epoch + 1, phase=BASELINE)

    def commit(
        self, pages: Sequence[pa.Table], rejects: Sequence[Rejected], *, cursor: str, caught_up: bool
    ) -> Position:
        """Commit the rows of some pages with the cursor behind the last of them.

        Args:
            pages: decoded pages (:func:`ctera_insights.model.wire_schema`), in the order served.
            rejects: their unreadable entries.
            cursor: the Portal's cursor behind the last page.
            caught_up: whether the Portal had nothing more.

        Returns:
            Where the feed now stands, durably.

        Raises:
            StoreFenced, StoreUnwritable, StoreUnreachable: nothing of the batch was committed.
            CommitUnclear: the store does not tell; a new writer finds out, and this one commits no more.
        """
        if self._unclear:
            raise CommitUnclear(
                f"Whether the last batch of {self.feed!r} is in {self.lake.uri} is not known. Start again: "
                "it goes on behind what the log holds."
            )
        at = datetime.now(UTC)
        before, batch = self.position, self.position.batch + 1
        rows = sum(len(page) for page in pages)
        after = replace(
            before,
            cursor=cursor,
            batch=batch,
            seq=before.seq + rows,
            phase=LIVE if caught_up else before.phase,
            committed_at=at,
            lag_s=_lag_s(pages, at) if rows and before.phase == LIVE else before.lag_s,
            rejected=before.rejected + len(rejects),
        )
        added = _rows(pages, self.feed, before, batch, cursor, caught_up=caught_up, at=at)
        try:
            with reading(self.lake.uri, self.lake):
                if rejects:
                    self._quarantine(rejects, batch, cursor, at)
                self.lake.events.append(
                    [added] if rows else [],
                    app_id=self.feed,
                    version=batch,
                    metadata=to_metadata(self.feed, after),
                    label=self.feed,
                    owner=self._owner,
                    batch=batch,
                )
        except CommitUnclear:
            self._unclear = True
            raise
        except LakeError as error:
            if rejects:
                self._withdraw_rejects(at, error)
            raise
        self.position = after
        self._keep_up()
        return after

    def _keep_up(self) -> None:
        """Merge and sweep now and then; that it fails once says nothing of the batch, which is committed."""
        self._commits += 1
        if self._commits < self._upkeep_at:
            return
        try:
            for table in self.lake.raw_tables():
                maintain(table)
        except FileDamaged as error:  # an old file: what comes now must not be lost over it
            logger.error("Collecting goes on, but merging does not. %s", error)  # noqa: TRY400 - said, not ours
            self._upkeep_at = self._commits + MAINTAIN_EVERY
        except LakeError:
            self._upkeep_failed += 1
            self._upkeep_at = self._commits + UPKEEP_RETRY
            if self._upkeep_failed >= UPKEEP_TRIES:
                raise
        else:
            self._upkeep_failed = 0
            self._upkeep_at = self._commits + MAINTAIN_EVERY

    def _quarantine(self, rejects: Sequence[Rejected], batch: int, cursor: str, at: datetime) -> None:
        import pyarrow as pa

        self.lake.quarantine.create()
        self.lake.quarantine.append(
            pa.Table.from_pylist(
                [
                    {
                        "feed": self.feed,
                        "batch": batch,
                        "position": reject.position,
                        "reason": reject.reason,
                        "raw": reject.raw,
                        "cursor": cursor,
                        "collected_at": at,
                        "collected_on": at.date(),
                    }
                    for reject in rejects
                ],
                quarantine_schema(),
            ),
            app_id=self.feed,
            version=_next(self.lake.quarantine, self.feed),
            label=self.feed,
            owner=self._owner,
        )

    def _withdraw_rejects(self, at: datetime, failure: LakeError) -> None:
        """Un-quarantine the entries of an attempt that came to nothing; the next writer does what fails."""
        try:
            with reading(self.lake.uri, self.lake):
                self._drop_unfinished(attempt=at)
        except LakeError as error:
            failure.add_note(f"Its quarantined entries are left for the next start to remove: {error}")

    def _drop_unfinished(self, attempt: datetime | None = None) -> None:
        """Un-quarantine the entries of batches that do not exist, or of one attempt at a batch."""
        for _ in range(_RACES):
            try:
                return self._replace_unfinished(attempt)
            except StoreFenced:  # another process merged one of the files in the meantime
                continue
        return self._replace_unfinished(attempt)

    def _replace_unfinished(self, attempt: datetime | None) -> None:
        import pyarrow.compute as pc

        for file in self._beyond():
            verify(self.lake.quarantine, [file])
            rows = replace(self.lake.quarantine.snapshot(), files=[file]).dataset().to_table()
            unfinished = pc.and_(
                pc.equal(rows["feed"], self.feed), pc.greater(rows["batch"], self.position.batch)
            )
            if attempt is not None:
                unfinished = pc.and_(unfinished, pc.equal(rows["collected_at"], attempt))
            kept = rows.filter(pc.invert(unfinished))
            if len(kept) < len(rows):
                self.lake.quarantine.replace(
                    [file],
                    [kept] if len(kept) else [],
                    app_id=self.feed,
                    version=_next(self.lake.quarantine, self.feed),
                    label=self.feed,
                    owner=self._owner,
                )

    def _beyond(self) -> list[DataFile]:
        """Files of the quarantine that may hold entries of a batch behind the last one."""
        if not self.lake.quarantine.exists():
            return []
        return [
            file
            for file in self.lake.quarantine.snapshot().files
            if (file.min.get("feed") or self.feed) <= self.feed <= (file.max.get("feed") or self.feed)
            and (file.max.get("batch") or 0) > self.position.batch
        ]

    def _clear(self) -> None:
        """Remove what a crash left behind: half a batch, and files that no commit names."""
        if not self.lake.place.local and self._beyond():
            self._restate()
        self._drop_unfinished()
        if not self.lake.place.local:  # another machine may be uploading: maintain() sweeps what is old
            return
        for table in self.lake.raw_tables():
            remove_orphans(table, self.feed, self.position.batch)
            remove_staged(table, mine=[self._owner])

    def _restate(self) -> None:
        """Commit the position once more, so that no attempt at the next batch can land any more."""
        known = self.position
        self.lake.events.commit(
            [],
            app_id=self.feed,
            version=known.batch,
            metadata=to_metadata(self.feed, known) if known.batch else {},
        )
        self.position = read_position(self.lake, self.feed)


def _next(table: Table, app_id: str) -> int:
    return (table.transaction(app_id) or 0) + 1


def _lag_s(pages: Sequence[pa.Table], at: datetime) -> float | None:
    """Seconds from the newest change in the pages to ``at``; none when the Portal gave no times.

    Below zero, the Portal's clock is ahead of this one. A change more than a day ahead counts only when there
    is no other: it tells of its own file rather than of the clock.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    times = pa.chunked_array([page["portal_modified_date"].cast(pa.int64()) for page in pages], pa.int64())
    now = round(at.timestamp() * 1e6)
    newest = pc.max(times.filter(pc.less_equal(times, now + DAY_US))).as_py()
    newest = pc.max(times).as_py() if newest is None else newest
    return None if newest is None else (now - newest) / 1e6


def _rows(
    pages: Sequence[pa.Table],
    feed: str,
    before: Position,
    batch: int,
    cursor: str,
    *,
    caught_up: bool,
    at: datetime,
) -> pa.Table:
    """The pages as rows of ``events``, with the constants of their batch."""
    import numpy as np
    import pyarrow as pa

    schema = events_schema()
    if not pages:
        return schema.empty_table()
    wire = pa.concat_tables(pages)
    rows = len(wire)
    constants = {
        "feed": feed,
        "batch": batch,
        "epoch": before.epoch,
        "phase": before.phase,
        "collected_at": at,
        "cursor": cursor,
        "caught_up": caught_up,
        "collected_on": at.date(),
    }
    return pa.Table.from_arrays(
        [
            _constant(constants[column.name], column.type, rows)
            if column.name in constants
            else pa.array(np.arange(before.seq + 1, before.seq + rows + 1), column.type)
            if column.name == "seq"
            else wire[column.name]
            for column in schema
        ],
        names=schema.names,
    )


def _constant(value: object, kind: pa.DataType, rows: int) -> pa.Array:
    """One value for all rows; a text, which may be a cursor of kilobytes, is held once."""
    import numpy as np
    import pyarrow as pa

    if kind == pa.string():
        return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([value], kind))
    return pa.repeat(pa.scalar(value, kind), rows)
