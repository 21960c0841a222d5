"""Building the derived tables anew beside those in use, and putting the result in their place.

The new rows of a feed take the place of its old ones in one commit for each table, which also tells where the
feed stands. Between these commits each table is whole, old or new, and both stand at the same batch; so
readers see the state before or after, and a crash leaves nothing to repair: the next rebuild does the rest.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Final

from ctera_insights.activity.relations import files_of
from ctera_insights.activity.store import app_id, ground_id, tables
from ctera_insights.errors import StoreDamaged
from ctera_insights.lake.intact import open_intact, row_groups
from ctera_insights.lake.lost import log_troubles
from ctera_insights.lake.place import writing
from ctera_insights.lake.repair import set_log_aside

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from ctera_insights.activity.store import Tables
    from ctera_insights.lake import DataFile, Lake, Table

_SCRATCH: Final = "_rebuild"
_GONE_HOURS: Final = 2
"""On an object store, a rebuild that wrote nothing for so long is gone."""


@contextlib.contextmanager
def scratch(lake: Lake) -> Iterator[Tables]:
    """Derived tables to build anew, below the lake, in a directory of their own; removed afterwards."""
    own = f"{_SCRATCH}/{uuid.uuid4().hex[:12]}"
    try:
        yield tables(lake, under=f"{own}/")
    finally:
        with contextlib.suppress(OSError):  # the next run removes what stays now
            _remove(lake, own)


def discard(lake: Lake) -> None:
    """Remove what rebuilds that are gone left behind; the caller holds the lock of those who derive.

    On an object store, where there is no lock, that is what nobody wrote to for a while.

    Raises:
        StoreUnwritable: the store refused.
    """
    from pyarrow.fs import FileSelector

    with writing(f"{lake.uri}/{_SCRATCH}"):
        left = lake.place.filesystem().get_file_info(
            FileSelector(_SCRATCH, recursive=True, allow_not_found=True)
        )
        newest: dict[str, float] = {}
        for info in left:
            own = "/".join(info.path.split("/")[:2])
            newest[own] = max(newest.get(own, 0.0), info.mtime.timestamp() if info.mtime else 0.0)
        for own, written_at in newest.items():
            if lake.place.local or written_at < time.time() - _GONE_HOURS * 3600:
                _remove(lake, own)


def _remove(lake: Lake, path: str) -> None:
    """Remove a directory of the scratch, and the scratch itself when nothing else is in it."""
    from pyarrow.fs import FileSelector, FileType

    filesystem = lake.place.filesystem()
    for info in filesystem.get_file_info(FileSelector(path, recursive=True, allow_not_found=True)):
        if info.type == FileType.File:
            filesystem.delete_file(info.path)
    if lake.place.local:
        with contextlib.suppress(FileNotFoundError):
            filesystem.delete_dir(path)
        if not filesystem.get_file_info(FileSelector(_SCRATCH, allow_not_found=True)):
            with contextlib.suppress(FileNotFoundError):
                filesystem.delete_dir(_SCRATCH)


def set_damaged_logs_aside(tables: Tables) -> None:
    """Rename the logs of derived tables that cannot be relied on: nothing of them is built upon."""
    for table in tables.derived:
        try:
            damaged = table.log_is_no_directory() or (table.exists() and bool(log_troubles(table)))
        except StoreDamaged:
            damaged = True
        if damaged:
            set_log_aside(table)


def install(fresh: Tables, used: Tables, feed: str, mark: int, ground_us: int) -> None:
    """Put the rows of a feed that were built anew in the place of those in use.

    Args:
        fresh: what was built.
        used: where it goes.
        feed: which feed.
        mark: the batch up to which it was built.
        ground_us: when that batch was sealed, as in :class:`~ctera_insights.activity.engine.Step`.
    """
    name = app_id(feed)
    for source, target in zip(fresh.derived, used.derived, strict=True):
        target.delta(refresh=True)
        old = files_of(target.snapshot().files, feed)
        added = [action for file in source.snapshot().files for action in target.write(_rows(source, file))]
        for file in old:
            if file.min.get("feed") != file.max.get("feed"):  # it holds rows of others as well
                added += target.write(_others(_rows(target, file), feed))
        target.commit(
            added,
            old,
            app_id=name,
            version=mark,
            metadata={"feed": feed, "batch": str(mark), "low": "0"},
            also={ground_id(feed): ground_us},
        )


def _rows(table: Table, file: DataFile) -> pa.Table:
    import pyarrow as pa

    parquet = open_intact(table.place, file.path, size_bytes=file.size_bytes)
    rows = list(row_groups(table.place, file.path, parquet))
    return pa.concat_tables(rows).select(table.schema.names) if rows else table.schema.empty_table()


def _others(rows: pa.Table, feed: str) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.not_equal(rows["feed"], feed))
