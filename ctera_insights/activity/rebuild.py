"""Building the derived tables anew beside those in use, and putting the result in their place.

The new rows of a feed take the place of its old ones in one commit for each table, which also tells where the
feed stands. Between these commits each table is whole, old or new, and both stand at the same batch; so
readers see the state before or after, and a crash leaves nothing to repair: the next rebuild does the rest.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from ctera_insights.activity.relations import files_of
from ctera_insights.activity.store import app_id, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from ctera_insights.activity.store import Tables
    from ctera_insights.lake import DataFile, Lake, Table

_SCRATCH: Final = "_rebuild"


@contextlib.contextmanager
def scratch(lake: Lake) -> Iterator[Tables]:
    """Derived tables to build anew, below the lake; removed afterwards."""
    discard(lake)
    try:
        yield tables(lake, under=f"{_SCRATCH}/")
    finally:
        discard(lake)


def discard(lake: Lake) -> None:
    """Remove what an earlier rebuild left behind."""
    from pyarrow.fs import FileSelector, FileType

    filesystem = lake.place.filesystem()
    left = filesystem.get_file_info(FileSelector(_SCRATCH, recursive=True, allow_not_found=True))
    for info in left:
        if info.type == FileType.File:
            filesystem.delete_file(info.path)
    if left and lake.place.local:
        filesystem.delete_dir(_SCRATCH)


def install(fresh: Tables, used: Tables, feed: str, mark: int) -> None:
    """Put the rows of a feed that were built anew in the place of those in use.

    Args:
        fresh: what was built.
        used: where it goes.
        feed: which feed.
        mark: the batch up to which it was built.
    """
    name = app_id(feed)
    for source, target in zip(fresh.derived, used.derived, strict=True):
        target.delta(refresh=True)
        old = files_of(target.snapshot().files, feed)
        added = [
            action
            for file in source.snapshot().files
            for action in target.write(_rows(source, file), target.name)
        ]
        for file in old:
            if file.min.get("feed") != file.max.get("feed"):  # it holds rows of others as well
                added += target.write(_others(_rows(target, file), feed), target.name)
        target.commit(added, old, app_id=name, version=mark, metadata={"feed": feed, "batch": str(mark)})


def _rows(table: Table, file: DataFile) -> pa.Table:
    import pyarrow.parquet as pq

    with table.place.filesystem().open_input_file(file.path) as source:
        return pq.read_table(source).select(table.schema.names)


def _others(rows: pa.Table, feed: str) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.not_equal(rows["feed"], feed))
