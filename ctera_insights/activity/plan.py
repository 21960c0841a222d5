"""Which batches are to be handled, and in which steps.

Batches of a feed's first inventory and live batches are handled in steps of about ``STEP_ROWS`` rows. A later
inventory (a resync) is one step, taken when it is complete: at its first batch behind which the Portal had
nothing more. Only then can be told what vanished while nobody looked. An inventory that was given up (another
resync began before it was complete) tells what it saw, and nothing vanishes by it; nor does anything by an
inventory without a single row, which more likely tells of lost permissions than of an empty Portal.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from ctera_insights.activity.engine import Step
from ctera_insights.activity.relations import attach, files_of, run, sql
from ctera_insights.lake import Position, read_position
from ctera_insights.model import BASELINE, LIVE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from ctera_insights.activity.store import Tables
    from ctera_insights.lake import Lake

STEP_ROWS: Final = 500_000
"""Rows that are handled together, unless one batch is larger."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Batch(NamedTuple):
    """What one batch is."""

    batch: int
    epoch: int
    phase: str
    rows: int
    caught_up: bool
    closed_at: datetime


class Plan(NamedTuple):
    """What is to be done for one feed.

    Attributes:
        steps: in order.
        step_rows: raw rows in each.
        completed: epochs that only the feed's position tells to be listed whole, with their last batch.
        listing: whether the feed's current inventory is still under way.
        waiting: whether batches of it wait for its end.
    """

    steps: list[Step]
    step_rows: list[int]
    completed: list[tuple[int, int]]
    listing: bool
    waiting: bool = False

    @property
    def rows(self) -> int:
        """Raw rows in all steps."""
        return sum(self.step_rows)

    def through(self, batch: int) -> Plan:
        """The part of the plan up to a batch."""
        steps = [step for step in self.steps if step.high <= batch]
        return self._replace(steps=steps, step_rows=self.step_rows[: len(steps)])


def plan(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    tables: Tables,
    feed: str,
    marks: Sequence[int],
    *,
    step_rows: int = STEP_ROWS,
) -> Plan:
    """Divide the batches that are not in all derived tables into steps.

    Args:
        con: where to read.
        lake: the raw batches.
        tables: the derived tables.
        feed: which feed.
        marks: the last batch of the feed in each derived table.
        step_rows: about how many rows to handle together.
    """
    low = min(marks)
    position = read_position(lake, feed)
    batches = _batches(con, lake, feed, low)
    finished = _finished(con, tables, feed)
    steps: list[Step] = []
    completed: list[tuple[int, int]] = []
    step_sizes: list[int] = []
    waiting = False
    for (epoch, inventory), group in groupby(
        batches, lambda b: (b.epoch, b.epoch > 1 and b.phase == BASELINE)
    ):
        members = list(group)
        if inventory:
            told = any(b.caught_up for b in members) or any(
                b.epoch == epoch and b.phase == LIVE for b in batches
            )
            complete = told or epoch in finished or _reached(position, epoch)
            if not complete and position.epoch == epoch:
                waiting = True
                break
            if complete and not told and epoch not in finished:
                completed.append((epoch, members[-1].batch))
            steps.append(_step(feed, low, members, resync=True, complete=complete))
            step_sizes.append(sum(b.rows for b in members))
            low = members[-1].batch
        else:
            for chunk in _chunks(members, step_rows, set(marks)):
                steps.append(_step(feed, low, chunk))
                step_sizes.append(sum(b.rows for b in chunk))
                low = chunk[-1].batch
    return Plan(steps, step_sizes, completed, listing=position.phase == BASELINE, waiting=waiting)


def _reached(position: Position, epoch: int) -> bool:
    return position.epoch == epoch and position.phase == LIVE


def _step(
    feed: str, low: int, members: Sequence[Batch], *, resync: bool = False, complete: bool = False
) -> Step:
    return Step(
        feed=feed,
        low=low,
        high=members[-1].batch,
        epoch=members[-1].epoch,
        resync=resync,
        complete=complete,
        closed_at=max(b.closed_at for b in members),
        ground_us=(members[-1].closed_at - _EPOCH) // timedelta(microseconds=1),
    )


def _chunks(batches: Sequence[Batch], step_rows: int, ends: set[int]) -> Iterator[list[Batch]]:
    """Batches in groups of about ``step_rows`` rows, none of which goes beyond one of ``ends``."""
    chunk: list[Batch] = []
    rows = 0
    for batch in batches:
        if chunk and rows + batch.rows > step_rows:
            yield chunk
            chunk, rows = [], 0
        chunk.append(batch)
        rows += batch.rows
        if batch.batch in ends:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


def _batches(con: duckdb.DuckDBPyConnection, lake: Lake, feed: str, low: int) -> list[Batch]:
    files = [
        file
        for file in files_of(lake.events.snapshot().files, feed)
        if file.max.get("batch") is None or file.max["batch"] > low
    ]
    rows = run(
        con,
        sql("batches").format(events=attach(con, lake.events, files, "batch_files")),
        {"feed": feed, "low": low},
    )
    return [
        Batch(batch, epoch, phase, count, caught_up, _EPOCH + timedelta(microseconds=closed_us))
        for batch, epoch, phase, count, caught_up, closed_us in rows
    ]


def _finished(con: duckdb.DuckDBPyConnection, tables: Tables, feed: str) -> set[int]:
    """Epochs whose inventory was seen to be complete."""
    files = files_of(tables.observations.snapshot().files, feed)
    rows = run(
        con,
        f"SELECT DISTINCT epoch FROM {attach(con, tables.observations, files, 'observation_files')} "  # noqa: S608 - our names
        "WHERE feed = $feed AND kind = 'inventory'",
        {"feed": feed},
    )
    return {epoch for (epoch,) in rows}
