"""Bringing the derived tables of a lake up to date with its raw batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from ctera_insights import plain
from ctera_insights.activity.ask import Ancestors, Answers, ask
from ctera_insights.activity.behind import DERIVING
from ctera_insights.activity.compact import sweep, tidy
from ctera_insights.activity.engine import derive
from ctera_insights.activity.fit import misfits, refuse_lost_answers, torn
from ctera_insights.activity.late import Missing, adopt_answers, mend, missing
from ctera_insights.activity.plan import STEP_ROWS, Plan, plan
from ctera_insights.activity.rebuild import discard, install, scratch, set_damaged_logs_aside
from ctera_insights.activity.relations import one
from ctera_insights.activity.store import (
    WRITER,
    app_id,
    before,
    commit,
    connection,
    create,
    tables,
    watermark,
)
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.lost import refuse_partial_log, refuse_torn_end
from ctera_insights.lake.notes import drop_note
from ctera_insights.lake.status import feed_names
from ctera_insights.model import observations_schema

if TYPE_CHECKING:
    import duckdb

    from ctera_insights.activity.store import Tables
    from ctera_insights.lake import Lake

_T = TypeVar("_T")
logger: Final = logging.getLogger(__name__)
STEP_GRACE_S: Final = 1.0
"""Told to stop, the step under way may take so long to end before its query is cut short."""


Progress = Callable[[int, int], None]
"""Called with (events handled, events in all)."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes:
        events: raw events handled.
        steps: commits made of them.
        asked: requests to the Portal for directories that the feed never told of.
        unknown: directories in paths that are still unknown.
        mended: rows of activity whose path became known after they were written.
        waiting: feeds whose new inventory is not complete yet, so that its rows wait.
        trouble: why the Portal could not be asked for all of them, or an empty string.
        seconds: how long it took.
    """

    events: int = 0
    steps: int = 0
    asked: int = 0
    unknown: int = 0
    mended: int = 0
    waiting: tuple[str, ...] = ()
    trouble: str = ""
    seconds: float = 0.0


@bordered
async def enrich_lake(
    lake: Lake,
    ancestors: Ancestors | None = None,
    progress: Progress | None = None,
    rebuild: bool = False,
    *,
    feeds: Sequence[str] | None = None,
    step_rows: int = STEP_ROWS,
) -> Summary:
    """Turn the raw batches that were not handled yet into activity, objects and folders.

    Each batch is counted once, whatever kills the process. Readers see either the state before a step or
    the one after it. The work runs in a thread; the event loop stays free.

    Args:
        lake: the lake.
        ancestors: asks the Portal for an object and all above it, root first: ``await ancestors(folder_id,
            guid)``. Called only for directories that the feed never told of, once each, and not while the
            first inventory is under way. Without it their paths begin with ``?``.
        progress: called from the working thread with (events handled, events in all).
        rebuild: derive everything anew, beside the tables in use, and put it in their place.
        feeds: only these streams; by default all.
        step_rows: about how many rows are handled together; bounds the memory.

    Raises:
        StoreNotFound: nothing was ever collected there.
        StoreLocked: another process derives in this lake.
        StoreFenced: another process did so on an object store; nothing was written twice.
        StoreDamaged: a log is lost or partial, or a file is not what was written; nothing was changed.
        StoreUnwritable: the file system refused.

    Example:
        >>> summary = await enrich_lake(Lake("data"))  # doctest: +SKIP
    """
    began = time.monotonic()
    run = _Run(lake, step_rows)
    try:
        names = await _in_thread(run, run.open, feeds, rebuild)
        if rebuild:
            for feed in names:
                await _in_thread(run, run.rebuild, feed)
        await _in_thread(run, run.advance, names, progress)
        for feed in names:
            answers = await run.ask(feed, ancestors) if ancestors is not None else None
            await _in_thread(run, run.settle, feed, answers)
        await _in_thread(run, run.sweep, rebuild)
        if feeds is None:
            await asyncio.to_thread(drop_note, lake, DERIVING)
    finally:
        await asyncio.to_thread(run.close)
    return replace(run.summary, seconds=time.monotonic() - began)


async def _in_thread(run: _Run, work: Callable[..., _T], *arguments: object) -> _T:
    """Run blocking work in a thread; when cancelled, let its step end, or cut its query short."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        run.stopped = True
        pause_s = STEP_GRACE_S
        while not (await asyncio.wait([task], timeout=pause_s))[0]:
            run.interrupt()
            pause_s = 0.1
        if not task.cancelled() and (error := task.exception()):
            logger.debug("Deriving was cut short: %s", error)
        raise


@bordered
def enrich_lake_plain(
    lake: Lake,
    ancestors: Ancestors | None = None,
    progress: Progress | None = None,
    rebuild: bool = False,
    *,
    feeds: Sequence[str] | None = None,
    step_rows: int = STEP_ROWS,
) -> Summary:
    """The plain face of :func:`enrich_lake`, in scripts and notebooks alike."""
    return plain.run(enrich_lake(lake, ancestors, progress, rebuild, feeds=feeds, step_rows=step_rows))


class _Run:
    """One run over the feeds of a lake; its methods but :meth:`ask` block.

    Attributes:
        summary: what it has done.
        stopped: set to end it behind the step that is under way.
    """

    con: duckdb.DuckDBPyConnection
    tables: Tables

    def __init__(self, lake: Lake, step_rows: int) -> None:
        self.lake = lake
        self.step_rows = step_rows
        self.summary = Summary()
        self.stopped = False
        self._stack = contextlib.ExitStack()
        self._listing: dict[str, bool] = {}

    def open(self, feeds: Sequence[str] | None, rebuild: bool) -> list[str]:
        self.lake.events.delta()  # before the lock, which would make a directory of a mistyped path
        self._stack.enter_context(self.lake.locks.writer(WRITER))
        self.con = self._stack.enter_context(connection())
        self.tables = tables(self.lake)
        self.lake.events.delta(refresh=True)
        refuse_partial_log(self.lake)
        names = feed_names(self.lake) if feeds is None else list(feeds)
        if rebuild:
            set_damaged_logs_aside(self.tables)
        elif self.tables.folders.exists() and self.tables.folders.snapshot().files:
            refuse_lost_answers(self.tables.observations)
        create(self.tables.all)
        for table in self.tables.all:
            refuse_torn_end(table)
        discard(self.lake)
        lacking = torn(self.tables) if names and not rebuild else []
        for feed in () if rebuild else names:
            if misfits(self.con, self.lake, self.tables, feed, lacking):
                self.rebuild(feed)
        return names

    def interrupt(self) -> None:
        """End the query that is under way; what it was for is derived another time."""
        con = getattr(self, "con", None)
        if con is not None:
            con.interrupt()

    def close(self) -> None:
        self._stack.close()

    def sweep(self, force: bool) -> None:
        sweep(self.tables, force=force)

    @staticmethod
    def _marks(tables: Tables, feed: str) -> tuple[int, ...]:
        return tuple(table.transaction(app_id(feed)) or 0 for table in tables.derived)

    def _plan(self, tables: Tables, feed: str, *ends: int) -> Plan:
        marks = (*self._marks(tables, feed), *ends)
        return plan(self.con, self.lake, tables, feed, marks, step_rows=self.step_rows)

    def advance(self, feeds: Sequence[str], progress: Progress | None) -> None:
        plans = [(feed, self._plan(self.tables, feed)) for feed in feeds]
        rows = sum(each.rows for _, each in plans)
        done = 0
        for feed, each in plans:
            self._listing[feed] = each.listing
            for handled in self._steps(self.tables, feed, each):
                done += handled
                if progress:
                    progress(done, rows)
        self.summary = replace(
            self.summary,
            events=self.summary.events + done,
            steps=sum(len(each.steps) for _, each in plans),
            waiting=tuple(feed for feed, each in plans if each.waiting),
        )

    def _steps(self, tables: Tables, feed: str, plan: Plan) -> Iterator[int]:
        """Derive and commit the steps of a plan; gives the rows of each."""
        for epoch, batch in plan.completed:
            self._note_inventory(feed, epoch, batch)
        for step, rows in zip(plan.steps, plan.step_rows, strict=True):
            state = before(self.con, self.lake, tables, feed, step.low, step.high)
            commit(tables, step, derive(self.con, step, state))
            tidy(self.con, tables, feed)
            yield rows
            if self.stopped:
                return

    def _note_inventory(self, feed: str, epoch: int, batch: int) -> None:
        import pyarrow as pa

        row = {"feed": feed, "kind": "inventory", "epoch": epoch, "batch": batch, "pos": 0}
        self._observe(feed, pa.Table.from_pylist([row], observations_schema()))

    def _observe(self, feed: str, rows: object) -> None:
        table, name = self.tables.observations, f"observations:{feed}"
        table.append([rows], app_id=name, version=(table.transaction(name) or 0) + 1)

    async def ask(self, feed: str, ancestors: Ancestors) -> Answers | None:
        """Ask the Portal for what is unknown, unless it may still be on its way."""
        if self._listing.get(feed):
            return None
        lacking = await _in_thread(self, missing, self.con, self.lake, self.tables, feed)
        if not lacking.unknown:
            return None
        mark, pos = await _in_thread(self, self._end, feed)
        return await ask(ancestors, lacking.unknown, feed=feed, batch=mark, pos=pos)

    def _end(self, feed: str) -> tuple[int, int]:
        mark = watermark(self.tables, feed)
        state = before(self.con, self.lake, self.tables, feed, mark, mark)
        return mark, int(one(self.con, f"SELECT coalesce(max(pos), 0) FROM {state.objects}")[0])  # noqa: S608 - our names

    def settle(self, feed: str, answers: Answers | None) -> None:
        """Store the Portal's answers, and put right the paths that what is known by now allows."""
        if answers is not None and len(answers.rows):
            self._observe(feed, answers.rows)
        if self._listing.get(feed):
            return
        lacking, mended = self._mend(self.tables, feed)
        self.summary = replace(
            self.summary,
            asked=self.summary.asked + (answers.asked if answers else 0),
            unknown=self.summary.unknown + lacking.lacking - len(lacking.known),
            mended=self.summary.mended + mended,
            trouble=str(answers.trouble) if answers and answers.trouble else self.summary.trouble,
        )

    def _mend(self, tables: Tables, feed: str) -> tuple[Missing, int]:
        lacking = missing(self.con, self.lake, tables, feed)
        if not lacking.known:
            return lacking, 0
        adopt_answers(self.con, self.lake, tables, feed)
        mended = mend(self.con, tables, feed, lacking.files)
        tidy(self.con, tables, feed)
        return lacking, mended

    def rebuild(self, feed: str) -> None:
        """Derive a feed anew up to where it stands, and put the result in the place of what is there."""
        mark = max(self._marks(self.tables, feed))
        if not mark:
            return
        with scratch(self.lake) as fresh:
            create(fresh.derived)
            each = self._plan(fresh, feed, mark)
            steps = each.through(mark).steps
            for handled in self._steps(fresh, feed, each.through(mark)):
                self.summary = replace(self.summary, events=self.summary.events + handled)
            if self.stopped:
                return
            if not each.listing:
                self._mend(fresh, feed)
            # Where the raw events end earlier, so do what is derived from them.
            end, ground_us = (steps[-1].high, steps[-1].ground_us) if steps else (0, 0)
            install(fresh, self.tables, feed, end, ground_us)
