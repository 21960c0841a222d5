"""Whether the derived tables stand on the raw batches that are there now, and on one another.

They do not when a raw log lost its newest entries and its batches were collected again, when a table or a
file of one was removed, or when an older copy of a table was put back. Nothing of a table that does not fit
can be trusted: it is derived anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ctera_insights.activity.relations import attach, files_of, run
from ctera_insights.activity.store import app_id, ground_id
from ctera_insights.errors import StoreDamaged
from ctera_insights.lake.borders import unanswered, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from ctera_insights.activity.store import Tables
    from ctera_insights.lake import DataFile, Lake, Table

_RECENT = 64
"""Log entries among which the last step of a feed is looked for."""


class Torn(NamedTuple):
    """A file of a derived table that is not there, or not in full."""

    table: Table
    file: DataFile


def torn(tables: Tables) -> list[Torn]:
    """What the derived tables lack of their files; each is listed once, for all feeds."""
    found = []
    for table in tables.derived:
        there = {path: size for path, size, _ in table.place.files()}
        found += [
            Torn(table, file) for file in table.snapshot().files if there.get(file.path) != file.size_bytes
        ]
    return found


def misfits(
    con: duckdb.DuckDBPyConnection, lake: Lake, tables: Tables, feed: str, torn: Sequence[Torn]
) -> list[str]:
    """Why the derived tables of a feed must be derived anew, a sentence each; empty when they fit.

    Args:
        con: where to read.
        lake: the raw batches.
        tables: the derived tables, which exist.
        feed: which feed.
        torn: what :func:`torn` found.

    Raises:
        StoreDamaged: a raw file cannot be read.
    """
    marks = [table.transaction(app_id(feed)) or 0 for table in tables.derived]
    if not any(marks):
        return []
    end = lake.events.transaction(feed) or 0
    found = [f"{table.name}/{file.path} is missing or cut" for table, file in torn if files_of([file], feed)]
    for table, mark in zip(tables.derived, marks, strict=True):
        if mark > end:
            found.append(f"{table.name} stands at batch {mark}, but the raw events end at batch {end}")
        elif mark:
            stands_on, is_there = table.transaction(ground_id(feed)), _ground_us(con, lake, feed, mark)
            if is_there is None:
                found.append(f"{table.name} stands at batch {mark}, of which no raw event is there")
            elif stands_on not in {None, is_there}:
                found.append(f"{table.name} was derived from another batch {mark} than is there now")
    if not found and not _one_step_apart(tables.activity, feed, marks):
        behind = [table.name for table, mark in zip(tables.derived, marks, strict=True) if mark < max(marks)]
        found.append(
            f"{', '.join(behind)} lack batches that other derived tables hold: lost, or an older copy"
        )
    return found


def refuse_lost_answers(observations: Table) -> None:
    """Refuse to go on without the Portal's stored answers, which nothing derives anew.

    Raises:
        StoreDamaged: they are gone.
    """
    if not observations.exists():
        raise StoreDamaged(
            f"{observations.place.uri} is gone: what the Portal told of directories that the feed never told "
            "of. Restore it from a backup; or go on without it by `ctera-insights enrich --rebuild`, which "
            "asks again."
        )


def _ground_us(con: duckdb.DuckDBPyConnection, lake: Lake, feed: str, batch: int) -> int | None:
    """When a raw batch was sealed, microseconds since 1970; ``None`` when none of its events is there."""
    import duckdb

    files = [
        file
        for file in files_of(lake.events.snapshot().files, feed, batch)
        if file.max.get("batch") is None or file.max["batch"] >= batch
    ]
    rows = attach(con, lake.events, files, "ground_files")
    query = f"SELECT epoch_us(max(collected_at)) FROM {rows} WHERE feed = $feed AND batch = $batch"  # noqa: S608 - our names
    try:
        ((found,),) = run(con, query, {"feed": feed, "batch": batch})
    except duckdb.Error as error:
        raise unanswered(error, lake.uri) or StoreDamaged(
            f"Raw events of batch {batch} of {feed!r} cannot be read: {words(error)}. "
            f"`ctera-insights check --data {lake.uri}` says which files are damaged and how to get them back."
        ) from error
    return None if found is None else int(found)


def _one_step_apart(activity: Table, feed: str, marks: Sequence[int]) -> bool:
    """Whether the tables are where a step, cut off between its commits, leaves them."""
    low, high = min(marks), max(marks)
    if low == high:
        return True
    if list(marks) != sorted(marks, reverse=True) or set(marks) != {low, high}:
        return False
    for entry in activity.delta().history(_RECENT):
        if entry.get("feed") == feed and entry.get("batch") == str(high):
            return bool(low and "low" not in entry) or entry.get("low") == str(low)
    return False
