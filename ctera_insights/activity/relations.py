"""Files of a table as DuckDB relations, and the SQL that the package keeps beside its modules."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import pyarrow as pa

    from ctera_insights.lake import DataFile, Table

IN_PATH: Final = "replace(coalesce(nullif({name}, ''), '?'), '/', '\u2215')"
"""SQL of a name as it stands in a path, like :func:`ctera_insights.activity.tree.in_path`."""
PARENT: Final = "nullif(nullif({parent}, ''), {guid})"
"""SQL of the directory of an object, like :func:`ctera_insights.model.directory_of`."""
EXTENSION: Final = (
    "CASE WHEN {folder} THEN NULL WHEN {name} LIKE '_%.%' THEN lower(split_part({name}, '.', -1)) ELSE '' END"
)
"""SQL of an extension: null for folders, empty for files without one; ``.profile`` has none."""


@cache
def sql(name: str) -> str:
    """The text of ``sql/<name>.sql``."""
    return (resources.files("ctera_insights.activity") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def run(con: duckdb.DuckDBPyConnection, query: str, parameters: object = None) -> list[tuple[Any, ...]]:
    """Run a query to its end."""
    return con.execute(query, parameters).fetchall()


def one(con: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The one row of a query."""
    (row,) = run(con, query)
    return row


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def empty(schema: pa.Schema) -> str:
    """SQL of a relation without rows, with the columns and types of a schema."""
    columns = ", ".join(f'CAST(NULL AS {_duckdb_type(field.type)}) AS "{field.name}"' for field in schema)
    return f"(SELECT {columns} WHERE false)"


def files_relation(table: Table, files: Sequence[DataFile], registered: str) -> tuple[str, Any]:
    """SQL that reads some files of a table.

    Returns:
        The SQL, and the dataset that must be registered as ``registered`` for it to work, or ``None`` where
        DuckDB reads the files itself.
    """
    if not files or table.place.local:
        return read_files(table, [file.uri for file in files]), None
    from ctera_insights.lake import Snapshot

    return registered, Snapshot(table, 0, list(files)).dataset()


def read_files(table: Table, uris: Sequence[str]) -> str:
    """SQL by which DuckDB itself reads files of a table, partition columns included; of none, no rows."""
    if not uris:
        return empty(table.schema)
    listed = ", ".join(literal(_no_wildcard(uri)) for uri in uris)
    types = ", ".join(
        f'"{name}": {_duckdb_type(table.schema.field(name).type)}' for name in table.partition_by
    )
    hive = f", hive_partitioning = true, hive_types = {{{types}}}" if types else ""
    return f"read_parquet([{listed}]{hive})"


def attach(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[DataFile], name: str) -> str:
    """SQL that reads some files of a table on this connection."""
    text, dataset = files_relation(table, files, name)
    if dataset is not None:
        con.register(name, dataset)
    return text


def current(rows: str) -> str:
    """SQL of the rows of an appended state table that no other row replaces, of one feed."""
    return sql("current").format(rows=rows)


def files_of(files: Sequence[DataFile], feed: str, through: int | None = None) -> list[DataFile]:
    """The files that may hold rows of a feed, up to a batch."""
    return [
        file
        for file in files
        if (file.min.get("feed") or feed) <= feed <= (file.max.get("feed") or feed)
        and (through is None or (file.min.get("batch") or 0) <= through)
    ]


def _no_wildcard(path: str) -> str:
    for wildcard in "[*?":
        path = path.replace(wildcard, f"\0{wildcard}]")
    return path.replace("\0", "[")


def _duckdb_type(type_: pa.DataType) -> str:
    import pyarrow as pa

    names = {
        pa.string(): "VARCHAR",
        pa.int64(): "BIGINT",
        pa.int32(): "INTEGER",
        pa.bool_(): "BOOLEAN",
        pa.date32(): "DATE",
        pa.binary(): "BLOB",
        pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
    }
    return names[type_]
