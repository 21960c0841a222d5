"""Upkeep of the derived tables: merging and clean-up on demand, and whether they hold what they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctera_insights.activity.compact import sweep, tidy
from ctera_insights.activity.fit import misfits, torn
from ctera_insights.activity.relations import attach, run, sql
from ctera_insights.activity.store import WRITER, app_id, connection, tables
from ctera_insights.activity.views import derived_sources
from ctera_insights.errors import StoreDamaged, StoreLocked
from ctera_insights.lake import KEEP_REPLACED_HOURS, Finding, Maintained
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.check import check_files, check_log, while_written
from ctera_insights.lake.lost import refuse_lost_log
from ctera_insights.lake.status import feed_names

if TYPE_CHECKING:
    import duckdb

    from ctera_insights.activity.store import Tables
    from ctera_insights.lake import Lake, Table
    from ctera_insights.lake.check import Note, Progress


@bordered
def maintain_derived(
    lake: Lake, *, everything: bool = False, keep_replaced_hours: float = KEEP_REPLACED_HOURS
) -> Maintained:
    """Merge small files of the derived tables, drop replaced rows and files, write checkpoints.

    While another process derives in the lake, which merges by itself, only replaced files are removed.

    Args:
        lake: the lake.
        everything: merge all files below the target size, and write the state without replaced rows.
        keep_replaced_hours: how long replaced files stay for readers of older snapshots.
    """
    derived = tables(lake)
    if not all(table.exists() for table in derived.all):
        return Maintained()
    before = sum(len(table.snapshot().files) for table in derived.derived)
    merged = 0
    try:
        with lake.locks.writer(WRITER), connection() as con:
            for feed in feed_names(lake):
                if len({table.transaction(app_id(feed)) for table in derived.derived}) == 1:
                    merged += tidy(con, derived, feed, everything=everything)
    except StoreLocked:
        merged = 0
    after = sum(len(table.snapshot().files) for table in derived.derived)
    removed = sweep(derived, keep_replaced_hours=keep_replaced_hours, force=True)
    return Maintained(merged, merged - (before - after) if merged else 0, removed)


@bordered
def check_derived(
    lake: Lake, progress: Progress | None = None, note: Note | None = None, *, raw_is_sound: bool = True
) -> list[Finding]:
    """Hold the derived tables against their logs, one another, and the raw events; empty means sound.

    Held: each table is there when another holds rows; each log entry, and each byte of each named file, is
    what was written; each table stands on the raw batches that are there now; each raw event up to where its
    feed stands has its one row of ``activity`` (of a later inventory, at most one); each object has one
    current state. What is wrong here is put right by ``enrich --rebuild``, but for ``observations``.

    Args:
        lake: what to check.
        progress: called with (files read, files in all).
        note: called with a sentence on what could not be judged.
        raw_is_sound: whether :func:`ctera_insights.lake.check.check_lake` found nothing; otherwise only the
            files themselves are checked.
    """
    derived = tables(lake)
    return while_written(
        [*derived.all, lake.events],
        lambda tell: _check(lake, derived, progress, tell, raw_is_sound=raw_is_sound),
        note,
    )


def _check(
    lake: Lake, derived: Tables, progress: Progress | None, note: Note, *, raw_is_sound: bool
) -> list[Finding]:
    there, findings = _present(derived, note)
    if findings or not there:
        return findings
    for table in there:
        findings += check_log(table, note)
    findings += check_files([table.snapshot() for table in there], progress, note)
    if findings or len(there) < len(derived.all) or not raw_is_sound:
        return findings
    return _contents(lake, derived, note)


def repair(lake: Lake, progress: Progress | None = None, *, leave_out_damaged: bool = False) -> list[str]:
    """Build anew the logs of ``events``, ``quarantine`` and ``observations`` where they are lost or partial.

    Args and errors as for :func:`ctera_insights.lake.repair.repair_lake`. What is derived follows by itself
    with the next ``enrich``.

    Returns:
        What was done, a sentence each.
    """
    from ctera_insights.lake.repair import repair_lake

    return repair_lake(
        lake, others=[tables(lake).observations], leave_out_damaged=leave_out_damaged, progress=progress
    )


def _present(derived: Tables, note: Note | None) -> tuple[list[Table], list[Finding]]:
    """The tables that are there, and what tells that others should be."""
    there: list[Table] = []
    findings: list[Finding] = []
    for table in derived.all:
        try:
            if table.exists():
                table.delta(refresh=True)
                there.append(table)
            elif any(table.place.files()):
                refuse_lost_log(table)
        except StoreDamaged as error:
            findings.append(Finding(table.name, str(error)))
    if findings:
        return there, findings
    filled = [table.name for table in there if table.derived and table.snapshot().files]
    for table in derived.all if filled else ():
        if table not in there:
            remedy = "`enrich --rebuild` makes it anew"
            findings.append(Finding(table.name, f"is missing, while {filled[0]} holds rows; {remedy}"))
    if not there and note:
        note("activity, objects and folders are not there: never derived, or removed. `enrich` derives them.")
    return there, findings


def _contents(lake: Lake, derived: Tables, note: Note | None) -> list[Finding]:
    with connection() as con:
        feeds, lacking = feed_names(lake), torn(derived)
        findings = [
            Finding(feed, f"{why}; the next `enrich` derives it anew")
            for feed in feeds
            for why in misfits(con, lake, derived, feed, lacking)
        ]
        if findings:
            return findings
        sources = derived_sources(lake)
        for source in sources.values():
            if source.dataset is not None:
                con.register(source.name, source.dataset)
        run(con, "CREATE TEMP TABLE marks (feed VARCHAR, batch BIGINT)")
        for feed in feeds:
            batch = derived.folders.transaction(app_id(feed)) or 0
            run(con, "INSERT INTO marks VALUES ($feed, $batch)", {"feed": feed, "batch": batch})
        query = sql("check").format(
            events=attach(con, lake.events, lake.events.snapshot().files, "event_files"),
            **{name: f"(SELECT * FROM {source.relation}{source.beyond})" for name, source in sources.items()},  # noqa: S608 - our names
        )
        if note and len(feeds) > 1:
            for text in _told_twice(con, sources["folders"].relation):
                note(text)
        return [Finding(str(feed), f"{what} ({count})") for feed, what, count in run(con, query)]


def _told_twice(con: duckdb.DuckDBPyConnection, folders: str) -> list[str]:
    """Feeds that tell of the same folders, whatever addresses and names they came by."""
    query = f"""
        WITH told AS (SELECT DISTINCT feed, guid FROM {folders})
        SELECT one.feed, other.feed, count(*)
        FROM told AS one JOIN told AS other ON one.guid = other.guid AND one.feed < other.feed
        GROUP BY ALL ORDER BY ALL"""  # noqa: S608 - our names
    return [
        f"{one!r} and {other!r} tell of {folders:,} folders that are the same: events that come by both are "
        "counted twice."
        for one, other, folders in run(con, query)
    ]
