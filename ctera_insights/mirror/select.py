"""Which files: rows of the ``objects`` view that meet a condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctera_insights.errors import QueryFailed
from ctera_insights.lake.borders import reading
from ctera_insights.values import from_micros

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from ctera_insights.lake import Lake


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on the Portal, as the feed last told of it.

    Attributes:
        path: its current path, parts separated by ``/``.
        file_id: the key of its content; ``None`` when the feed told none.
        size: in bytes; ``None`` when the feed told none.
        modified: when the file was last written (``file_timestamp``).
        stamp: changes with every version of the object: ``gvsn``, or the times that the feed told.
    """

    path: str
    file_id: int | None
    size: int | None
    modified: datetime | None = None
    stamp: str = ""


def remote_files(
    connection: duckdb.DuckDBPyConnection, where: str = "true", *, lake: Lake | None = None
) -> list[RemoteFile]:
    """Existing files whose row in ``objects`` meets a condition, in the order of their paths.

    Args:
        connection: with the views of a store, as :func:`ctera_insights.insights.connect` gives it.
        where: SQL, e.g. ``path LIKE 'Finance/%' AND size < 10_000_000``.
        lake: the store behind the views: tells which of its files cannot be read.

    Raises:
        QueryFailed: DuckDB refuses the condition.
    """
    if ";" in where and not _is_one_condition(where):
        raise QueryFailed(f"{where!r} is more than one condition.")
    query = f"""
        SELECT path, id, size, epoch_us(file_timestamp), coalesce(gvsn, '') || ' '
               || coalesce(portal_modified_date::VARCHAR, '') || ' ' || coalesce(file_timestamp::VARCHAR, '')
        FROM (FROM objects WHERE type = 'file' AND NOT coalesce(deleted, false) AND path IS NOT NULL)
        WHERE ({where}
        )
        ORDER BY path, id"""  # noqa: S608 - the condition is the user's own SQL over the user's own store
    try:
        with reading(lake.uri if lake else "the store", lake):
            rows = connection.execute(query).fetchall()
    except QueryFailed as error:
        raise QueryFailed(
            f"DuckDB refuses the condition {where!r}: {str(error).splitlines()[0]} "
            "It is SQL over the columns of `objects`."
        ) from None
    return [
        RemoteFile(path, file_id, size, from_micros(at), stamp) for path, file_id, size, at, stamp in rows
    ]


def _is_one_condition(where: str) -> bool:
    import duckdb

    try:
        return len(duckdb.extract_statements(f"SELECT ({where}\n)")) == 1
    except duckdb.Error:
        return False
