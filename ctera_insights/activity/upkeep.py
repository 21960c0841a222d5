"""Upkeep of the derived tables: merging and clean-up on demand, and whether they hold what they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctera_insights.activity.compact import sweep, tidy
from ctera_insights.activity.relations import attach, run, sql
from ctera_insights.activity.run import WRITER
from ctera_insights.activity.store import app_id, connection, tables
from ctera_insights.activity.views import derived_sources
from ctera_insights.errors import StoreLocked
from ctera_insights.lake import KEEP_REPLACED_HOURS, Finding, Maintained
from ctera_insights.lake.status import feed_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctera_insights.lake import Lake, Table


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


def check_derived(lake: Lake) -> list[Finding]:
    """Hold the derived tables against their logs, one another, and the raw events; empty means sound.

    Held: each named file is there, whole; each raw event up to where its feed stands has its one row of
    ``activity`` (of a later inventory, at most one); each object has one current state. What is wrong here is
    put right by ``enrich --rebuild``.
    """
    derived = tables(lake)
    if not all(table.exists() for table in derived.all):
        return []
    findings = [finding for table in derived.all for finding in _files(table)]
    if findings:
        return findings
    sources = derived_sources(lake)
    with connection() as con:
        for source in sources.values():
            if source.dataset is not None:
                con.register(source.name, source.dataset)
        marks = {feed: derived.folders.transaction(app_id(feed)) or 0 for feed in feed_names(lake)}
        run(con, "CREATE TEMP TABLE marks (feed VARCHAR, batch BIGINT)")
        for feed, batch in marks.items():
            run(con, "INSERT INTO marks VALUES ($feed, $batch)", {"feed": feed, "batch": batch})
        query = sql("check").format(
            events=attach(con, lake.events, lake.events.snapshot().files, "event_files"),
            **{name: f"(SELECT * FROM {source.relation}{source.beyond})" for name, source in sources.items()},  # noqa: S608 - our names
        )
        return [Finding(str(feed), f"{what} ({count})") for feed, what, count in run(con, query)]


def _files(table: Table) -> Iterator[Finding]:
    filesystem = table.place.filesystem()
    for file in table.snapshot().files:
        found = filesystem.get_file_info(file.path)
        if not found.is_file:
            yield Finding(f"{table.name}/{file.path}", "is missing")
        elif found.size != file.size_bytes:
            yield Finding(
                f"{table.name}/{file.path}", f"has {found.size} bytes; the log says {file.size_bytes}"
            )
