"""Merging the files of the derived tables, and dropping rows of state that were replaced.

Files of one feed are merged with their neighbours in the order of batches, a tier at a time, so that a row is
rewritten a few times in its life. Of the state tables, a merge keeps the last row of each object among the
merged ones, and lets it replace what the first of them replaced. When too many rows of state are replaced
ones, the whole state of the feed is written anew.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ctera_insights.activity.relations import attach, current, files_of, one, sql
from ctera_insights.errors import StoreFenced
from ctera_insights.lake.checkpoint import checkpoint
from ctera_insights.lake.intact import verify
from ctera_insights.lake.maintain import KEEP_REPLACED_HOURS
from ctera_insights.lake.sweep import remove_replaced
from ctera_insights.lake.table import ROW_GROUP_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    import pyarrow as pa

    from ctera_insights.activity.store import Tables
    from ctera_insights.lake import DataFile, Table

FANOUT: Final = 8
"""Files of one tier that make up a file of the next."""
SMALL_ROWS: Final = 1_000
"""Files up to this are of the lowest tier; each tier holds ``FANOUT`` times as many."""
TIERS: Final = 4
LARGE_ROWS: Final = 500_000
"""Files of this many rows and more are not merged."""
REPLACED_SHARE: Final = 0.3
"""The share of replaced rows at which the state is written anew."""
REPLACED_ROWS: Final = 200_000
"""Fewer replaced rows than this are left alone."""
_ORDER: Final = {"objects": "directory, name", "folders": "path"}
"""Order within a file, after the cloud folder: neighbours on disk are neighbours in the tree."""
EVERY_VERSIONS: Final = 64
"""Versions of a table between checkpoints."""


def tidy(con: duckdb.DuckDBPyConnection, tables: Tables, feed: str, *, everything: bool = False) -> int:
    """Merge files of a feed where that is due; returns how many files were replaced.

    All derived tables must stand at the same batch of the feed.

    Args:
        con: where to sort.
        tables: the derived tables.
        feed: which feed.
        everything: merge all files below the large ones, and write the state without replaced rows, in the
            order of the tree.
    """
    replaced = 0
    with tables.activity.locks.maintenance() as mine:
        if not mine:
            return 0
        for table in tables.derived:
            while group := next(_groups(_own(table, feed), everything=everything), None):
                if not _merge(con, table, feed, group):
                    break
                replaced += len(group)
        for table in (tables.objects, tables.folders):
            replaced += _renew(con, table, feed, everything=everything)
    return replaced


def sweep(tables: Tables, *, keep_replaced_hours: float = KEEP_REPLACED_HOURS, force: bool = False) -> int:
    """Delete files replaced long enough ago and write checkpoints, where due; gives how many were deleted."""
    removed = 0
    with tables.activity.locks.maintenance() as mine:
        for table in tables.all if mine else ():
            if force or table.delta(refresh=True).version() % EVERY_VERSIONS == 0:
                removed += remove_replaced(table, keep_replaced_hours)
                checkpoint(table)
    return removed


def _own(table: Table, feed: str) -> list[DataFile]:
    """The files that hold rows of this feed alone, in the order of batches."""
    files = [
        f for f in files_of(table.snapshot().files, feed) if f.min.get("feed") == f.max.get("feed") == feed
    ]
    return sorted(files, key=lambda file: (file.max["batch"], file.min["batch"], file.path))


def _groups(files: Sequence[DataFile], *, everything: bool) -> Iterator[list[DataFile]]:
    """Neighbours to be merged: enough files of a tier or below, or (``everything``) any two."""
    for tier in range(TIERS):
        enough = 2 if everything and tier == TIERS - 1 else FANOUT
        group: list[DataFile] = []
        for file in files:
            fits = _tier(file) <= tier
            if fits and sum(f.rows for f in group) + file.rows <= 2 * LARGE_ROWS:
                group.append(file)
                continue
            if len(group) >= enough:
                yield group
            group = [file] if fits else []
        if len(group) >= enough:
            yield group


def _tier(file: DataFile) -> int:
    if file.rows >= LARGE_ROWS:
        return TIERS
    return min(TIERS - 1, math.ceil(math.log(max(file.rows, SMALL_ROWS) / SMALL_ROWS, FANOUT)))


def _merge(con: duckdb.DuckDBPyConnection, table: Table, feed: str, group: Sequence[DataFile]) -> bool:
    rows = attach(con, table, group, "merged_files")
    query = sql("merged_activity" if table.name == "activity" else "merged").format(
        rows=rows, columns=", ".join(f'"{name}"' for name in table.schema.names), order=_ORDER.get(table.name)
    )
    return _replace(con, table, feed, group, query)


def _renew(con: duckdb.DuckDBPyConnection, table: Table, feed: str, *, everything: bool) -> int:
    """Write the state of a feed anew when too much of it is replaced; returns the files replaced."""
    files = _own(table, feed)
    rows = attach(con, table, files, "renewed_files")
    gone, total = one(con, f"SELECT count(replaces), count(*) FROM {rows}")  # noqa: S608 - our names
    due = gone >= REPLACED_ROWS and gone >= REPLACED_SHARE * total
    if not (due or (everything and (gone or len(files) > 1))):
        return 0
    query = sql("renewed").format(
        rows=current(rows),
        columns=", ".join(f'"{name}"' for name in table.schema.names),
        order=_ORDER[table.name],
    )
    return len(files) if _replace(con, table, feed, files, query) else 0


def _replace(
    con: duckdb.DuckDBPyConnection, table: Table, feed: str, group: Sequence[DataFile], query: str
) -> bool:
    """Put the rows of a query in the place of some files; whether it was ours that counted.

    Raises:
        FileDamaged: one of the files is not what was written; nothing was changed.
    """
    verify(table, group)
    name = f"compaction:{feed}"
    version = (table.transaction(name) or 0) + 1
    added = [action for rows in _pieces(con, query, table) for action in table.write(rows)]
    try:
        table.commit(added, group, app_id=name, version=version, metadata={"feed": feed}, data_change=False)
    except StoreFenced:  # done by another process in the meantime; our files are withdrawn
        return False
    return True


def _pieces(con: duckdb.DuckDBPyConnection, query: str, table: Table) -> Iterator[pa.Table]:
    """The rows of a query in pieces of about a file."""
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    rows = 0
    for batch in con.sql(query).to_arrow_reader(ROW_GROUP_ROWS):
        batches.append(batch)
        rows += len(batch)
        if rows >= 2 * LARGE_ROWS:
            yield pa.Table.from_batches(batches).cast(table.schema)
            batches, rows = [], 0
    if batches:
        yield pa.Table.from_batches(batches).cast(table.schema)
