"""A log lost whole or in part is damage: never a new store, and never a reason to delete a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import StoreDamaged
from ctera_insights.lake.borders import words
from ctera_insights.lake.log import LOG, beheaded, listing, newest, read_entries, troubles
from ctera_insights.lake.named import read_named
from ctera_insights.lake.place import reachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctera_insights.lake.lake import Lake
    from ctera_insights.lake.log import Entry
    from ctera_insights.lake.table import Table

_LOOKED_AT: Final = 8
"""Newest log entries that are held against their seals before anything is written."""


def refuse_lost_log(table: Table) -> None:
    """Refuse a table that has no log while something tells that it once had one.

    Raises:
        StoreDamaged: there are data files, of the table itself or of one that cannot be without it.
    """
    files = [size for _, size, _ in table.place.files()]
    left = [(place.uri, path) for place in table.beside for path, _, _ in place.files()] if not files else []
    if (files or left) and table.has_log():  # another process has just created the table
        return
    if files:
        raise StoreDamaged(
            f"{table.place.uri} holds {count(len(files), 'data file')} ({sum(files):,} bytes), but its log "
            f"({LOG}) is gone: a partial restore or copy leaves it so. Nothing was changed. {way_out(table)}"
        )
    if left:
        raise StoreDamaged(
            f"{table.place.uri} is gone, while {left[0][0]} still holds what belongs to it ({left[0][1]} and "
            "perhaps more). Nothing was changed. Restore the whole directory from one backup; or, to begin "
            "anew, move what is left to another place."
        )
    if table.log_is_no_directory():
        raise StoreDamaged(
            f"{table.place.uri}/{LOG} is no directory: something else lies in the place of the log. Nothing "
            "was changed. Move it elsewhere, and start again."
        )


def unreadable_log(table: Table, error: Exception) -> StoreDamaged:
    """What to say of a log that the Delta library refuses to read."""
    try:
        what = _reason(table)
    except OSError:  # then the library's own words must do
        what = ""
    what = what or f"{words(error)}."
    return StoreDamaged(
        f"The log of {table.place.uri} cannot be read: {what} Nothing was changed. {way_out(table)}"
    )


def refuse_partial_log(lake: Lake) -> None:
    """Refuse to write into raw tables whose log is known to lack something; costs a listing of their files.

    A crash leaves at most one batch of a feed whose file no log entry names: the one behind the feed's last.
    Files of later batches tell that the log lost its newest entries (an older copy of it was put back);
    newest entries that are empty, or not what was written, tell the same.

    Raises:
        StoreDamaged: the log of a raw table is partial.
    """
    for table in lake.raw_tables():
        refuse_torn_end(table)
    for path, what in (*late_batches(lake.events), *late_rejects(lake)):
        raise StoreDamaged(f"{lake.uri}/{path} {what}. Nothing was changed. {way_out(lake.events)}")


def refuse_torn_end(table: Table) -> None:
    """Refuse to write behind a log whose newest entries are not what was written, or not there.

    Raises:
        StoreDamaged: they are not.
    """
    found = _newest_gone(table)
    if not (found or table.derived):  # what is lost of a derived table is noticed by where it stands
        found = troubles(newest(table.place, _LOOKED_AT))
    for version, what in found:
        raise StoreDamaged(
            f"{table.place.uri}/{LOG}/{version:020d}.json {what}. Nothing was changed. {way_out(table)}"
        )


def late_batches(table: Table) -> Iterator[tuple[str, str]]:
    """Files of ``events`` beyond what a crash can leave unnamed: (table and path, what it tells)."""
    for path, rows in _unnamed_rows(table, "batch"):
        for feed, batch in ((feed.as_py(), batch.as_py()) for feed, batch in rows):
            known = table.delta().transaction_version(feed) or 0
            if batch > known + 1:
                yield (
                    f"{table.name}/{path}",
                    (
                        f"holds batch {batch} of {feed!r}, but the log ends at batch {known}: it lost its "
                        "newest entries, as when an older copy of it is put back"
                    ),
                )
                break


def late_rejects(lake: Lake) -> Iterator[tuple[str, str]]:
    """Files of ``quarantine`` that no log entry names, although their batch was committed."""
    import pyarrow.compute as pc

    if not lake.quarantine.exists():
        return
    for path, rows in _unnamed_rows(lake.quarantine, "batch", "collected_at"):
        for feed, batch, sealed in rows:
            mine = (
                (pc.field("feed") == feed)
                & (pc.field("batch") == batch)
                & (pc.field("collected_at") == sealed)
            )
            if lake.events.snapshot().dataset().count_rows(filter=mine):
                yield (
                    f"{lake.quarantine.name}/{path}",
                    f"holds entries of batch {batch} of {feed.as_py()!r}, and no log entry names it",
                )
                break


def _unnamed_rows(table: Table, *columns: str) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Of each file that no log entry names, the different (feed, and some columns), as Arrow scalars' values.

    Files that cannot be read are left out; ``check`` names them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem = table.place.filesystem()
    wanted = ["feed", *columns]
    for path in unnamed(table):
        try:
            with filesystem.open_input_file(path) as source:
                rows = pq.ParquetFile(source).read(columns=wanted)
        except (pa.ArrowException, OSError, ValueError):
            continue
        if rows.column_names == wanted and rows.schema.types == [table.schema.field(n).type for n in wanted]:
            groups = rows.group_by(wanted).aggregate([])
            scalars = [groups[name] for name in wanted]
            yield path, [tuple(column[row] for column in scalars) for row in range(len(groups))]


def unnamed(table: Table) -> list[str]:
    """Data files that lie in a table and stand neither in its newest version nor among what it replaced."""
    lying = {path for path, _, _ in table.place.files()}  # before the log, which others may move on meanwhile
    lying -= {file.path for file in table.snapshot().files}
    if not lying:
        return []
    with reachable(table.place.uri):
        named = read_named(table.place)
    return sorted(path for path in lying if path not in named)


def log_troubles(table: Table, entries: Sequence[Entry] | None = None) -> list[tuple[str, str]]:
    """What is wrong with a log that can be opened: (the entry's file, or nothing; what is wrong).

    Its first entry, which tells the columns, carries no checksum: they are held against the table's own.
    """
    if entries is None:
        entries = read_entries(table.place, listing(table.place)[0])
    found = [(f"/{version:020d}.json", what) for version, what in (*troubles(entries), *_newest_gone(table))]
    if not found and (strange := _strange_columns(table)):
        found.append(("", f"tells of columns that are none of ours: {strange}"))
    return found


def _newest_gone(table: Table) -> list[tuple[int, str]]:
    version = beheaded(table.place)
    return [] if version is None else [(version, "is missing; only a checkpoint tells what it told")]


def _strange_columns(table: Table) -> str:
    import pyarrow as pa

    delta = table.delta(refresh=True)
    own = {field.name: field.type for field in table.schema}
    told = {field.name: field.type for field in pa.schema(delta.schema().to_arrow())}
    strange = [f"{name} ({kind})" for name, kind in told.items() if own.get(name) != kind]
    if (parts := tuple(delta.metadata().partition_columns)) != table.partition_by:
        strange.append(f"partitions {parts}")
    return ", ".join(strange)


def _reason(table: Table) -> str:
    """What is wrong with a log, from its files alone; empty when they do not tell."""
    entries, checkpoints = listing(table.place)
    if not entries:
        return "it has no entries."
    versions = list(entries)
    start = max((c for c in checkpoints if c <= versions[-1]), default=-1)
    gone = sorted(set(range(start + 1, versions[-1] + 1)) - set(versions))
    if gone:
        return f"entry {gone[0]:020d}.json is missing" + (
            f" (and {len(gone) - 1} more)." if gone[1:] else "."
        )
    found: list[Any] = troubles(newest(table.place, len(entries)))
    return f"entry {found[0][0]:020d}.json {found[0][1]}." if found else ""


def way_out(table: Table) -> str:
    """What to do about a table whose log is lost or partial."""
    lake = table.place.uri.rpartition("/")[0]
    if table.derived:
        return f"`ctera-insights enrich --rebuild --data {lake}` derives its rows anew."
    return (
        f"`ctera-insights check --repair --data {lake}` builds the log anew from the data files; "
        "or restore the whole directory from one backup."
    )


def count(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun: ``1 file``, ``2,000 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
