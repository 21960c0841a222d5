"""Any result to a file: CSV, Parquet, JSON or Excel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS: Final = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
}
_EXCEL_ROWS: Final = 1_048_575


def write(table: pa.Table, path: str | Path, format: str | None = None) -> Path:  # noqa: A002  # as in pandas  # as in pandas
    """Write a table to a file whose ending, or ``format``, says how.

    Args:
        table: the rows.
        path: where to; an existing file is replaced.
        format: ``csv``, ``parquet``, ``json`` (one array), ``jsonl`` (an object a line) or ``xlsx``.

    Returns:
        The path.

    Raises:
        UsageError: the format is unknown, the extra ``excel`` is missing, or the rows do not fit a sheet.
    """
    path = Path(path)
    chosen = format or FORMATS.get(path.suffix.lower())
    if chosen not in FORMATS.values():
        raise UsageError(
            f"Cannot tell how to write {path.name}; end it in {', '.join(FORMATS)}, or give a format"
        )
    if chosen == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, path, compression="zstd")
    elif chosen == "csv":
        _via_duckdb(table, path, "FORMAT csv, HEADER")
    elif chosen == "xlsx":
        _to_excel(table, path)
    else:
        _via_duckdb(table, path, f"FORMAT json, ARRAY {str(chosen == 'json').lower()}")
    return path


def _via_duckdb(table: pa.Table, path: Path, options: str) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("result", table)
        target = str(path).replace("'", "''")
        connection.execute(f"COPY (FROM result) TO '{target}' ({options})")  # COPY binds no path


def _to_excel(table: pa.Table, path: Path) -> None:
    try:
        from openpyxl import Workbook
    except ImportError:
        raise UsageError("Excel needs the extra: pip install 'ctera-insights[excel]'") from None
    if table.num_rows > _EXCEL_ROWS:
        raise UsageError(
            f"A sheet holds {_EXCEL_ROWS:,} rows below its heading, not {table.num_rows:,}; "
            "write .parquet or .csv"
        )
    book = Workbook(write_only=True)
    sheet = book.create_sheet("result")
    sheet.append(table.column_names)
    for batch in table.to_batches(max_chunksize=10_000):
        for row in zip(*(batch.column(i).to_pylist() for i in range(batch.num_columns)), strict=True):
            sheet.append([_cell(sheet, value) for value in row])
    book.save(path)


def _cell(sheet: Any, value: Any) -> Any:
    """A value as Excel takes it: no time zone, no lists, and a text that begins with ``=`` stays a text."""
    from datetime import datetime

    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, WriteOnlyCell

    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, list):
        value = "\n".join(str(item) for item in value)
    if isinstance(value, str):
        cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)[:32_767])
        cell.data_type = "s"
        return cell
    return value
