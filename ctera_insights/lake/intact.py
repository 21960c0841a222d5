"""Reading a data file so that nothing which rotted on the disk passes for data.

Whatever reads rows to write them again (compaction, a rebuild) or to judge them (``check``) reads here: the
whole file first, held against the checksum in its name, then decoded with the checksums of its pages.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from ctera_insights.errors import FileDamaged, StoreUnreachable
from ctera_insights.lake.borders import unanswered, words
from ctera_insights.lake.digest import checksum, named_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from ctera_insights.lake.place import Place
    from ctera_insights.lake.snapshot import DataFile
    from ctera_insights.lake.table import Table


def open_intact(
    place: Place, path: str, *, size_bytes: int | None = None, dictionary: Sequence[str] = ()
) -> Any:
    """A ``pyarrow.parquet.ParquetFile`` of a data file whose bytes are those once written.

    Args:
        place: the table's place.
        path: the file, relative to it.
        size_bytes: what the log says of its size, or ``None`` when no log tells.
        dictionary: columns to read as dictionaries.

    Raises:
        FileDamaged: it is missing, cut, or not what was written; the message says so of ``path``.
        StoreUnreachable: the store did not answer, or refused.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = _content(place, path)
    try:
        if size_bytes is not None and content.size != size_bytes:
            raise _damaged(place, path, f"has {content.size} bytes; the log says {size_bytes}")
        told = named_checksum(path)
        if told and checksum(memoryview(content)) != told:
            raise _damaged(
                place, path, "cannot be read: its bytes are not those that were written (checksum)"
            )
        return pq.ParquetFile(
            pa.BufferReader(content), read_dictionary=list(dictionary), page_checksum_verification=True
        )
    except (pa.ArrowException, OSError) as error:
        raise _damaged(place, path, f"cannot be read: {words(error)}.") from error


def row_groups(
    place: Place, path: str, parquet: Any, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The row groups of an opened file, one after the other.

    Raises:
        FileDamaged: one of them cannot be decoded.
    """
    import pyarrow as pa

    for group in range(parquet.num_row_groups):
        try:
            yield parquet.read_row_group(group, columns=columns)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(place, path, f"cannot be read: {words(error)}.") from error


def verify(table: Table, files: Sequence[DataFile]) -> None:
    """Hold some files of a table against their checksums, before their rows are written again.

    Files of earlier versions, whose names tell none, are only looked for.

    Raises:
        FileDamaged: one of them is not what was written; it says which and what it held.
    """
    for file in files:
        try:
            if named_checksum(file.path):
                open_intact(table.place, file.path, size_bytes=file.size_bytes)
        except FileDamaged as error:
            raise FileDamaged(
                f"{error} It held {holding(file)}.", path=error.path, what=error.what
            ) from error


def rows_of(table: Table, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one file, whose bytes are those once written, in the thread of the caller.

    Raises:
        FileDamaged, StoreUnreachable: as :func:`open_intact`.
    """
    import pyarrow as pa

    parquet = open_intact(table.place, file.path, size_bytes=file.size_bytes)
    pieces = list(row_groups(table.place, file.path, parquet, columns))
    return pa.concat_tables(pieces) if pieces else parquet.read(columns=columns)


def holding(file: DataFile) -> str:
    """What a file held, by the log: ``batches 3 to 7 of 'portal/admin' (seq 120 to 400)``."""
    low, high = file.min, file.max
    if not low.get("feed") or low.get("batch") is None:
        return f"{file.rows:,} rows"
    if low["feed"] != high["feed"]:
        return f"{file.rows:,} rows of the feeds {low['feed']!r} to {high['feed']!r}"
    first, last = low["batch"], high["batch"]
    batches = f"batch {first}" if first == last else f"batches {first} to {last}"
    seqs = f" (seq {low['seq']} to {high['seq']})" if low.get("seq") is not None else ""
    return f"{batches} of {low['feed']!r}{seqs}"


def _damaged(place: Place, path: str, what: str) -> FileDamaged:
    return FileDamaged(
        f"{place.uri}/{path} {what}. Nothing was changed; `ctera-insights check` says what it held and how "
        "to get it back.",
        path=path,
        what=what,
    )


def _content(place: Place, path: str) -> pa.Buffer:
    """All bytes of a file."""
    import pyarrow as pa

    try:
        with place.filesystem().open_input_file(path) as source:
            return pa.py_buffer(source.read())
    except FileNotFoundError:
        raise _damaged(place, path, "is missing") from None
    except OSError as error:
        if error.errno == errno.EIO:
            raise _damaged(place, path, "cannot be read: the disk reports an error") from error
        raise unanswered(error, place.uri) or StoreUnreachable(
            f"{place.uri}/{path} cannot be read now: {words(error)}."
        ) from error
