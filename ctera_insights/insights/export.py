"""Any result to a file: CSV, Parquet, JSON or Excel, by the one conversion of values."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from ctera_insights.errors import UsageError
from ctera_insights.insights.conversion import flat_values, json_rows, plain_values, portable, settled
from ctera_insights.output import output, writable

if TYPE_CHECKING:
    from collections.abc import Iterable

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
_EXCEL_COLUMNS: Final = 16_384
_EXCEL_WHOLE: Final = 10**15
"""Excel keeps fifteen digits of a number."""
_EXCEL_FIRST_YEAR: Final = 1900
_ROWS_AT_ONCE: Final = 10_000
_FORMULA: Final = r"^[=+\-@\t\r]"


def format_of(path: str | Path, format: str | None = None) -> str:  # noqa: A002  # as in pandas
    """The format that a file's ending, or ``format``, says.

    Raises:
        UsageError: neither is known.
    """
    chosen = format or FORMATS.get(Path(path).suffix.lower(), "")
    if chosen not in FORMATS.values():
        raise UsageError(
            f"Cannot tell how to write {Path(path).name}; end it in {', '.join(FORMATS)}, or give a format"
        )
    return chosen


def write(
    table: pa.Table,
    path: str | Path,
    format: str | None = None,  # noqa: A002  # as in pandas
    *,
    inert: bool = False,
) -> Path:
    """Write a table to a file whose ending, or ``format``, says how; the file appears when it is whole.

    Args:
        table: the rows.
        path: where to; an existing file is replaced.
        format: ``csv``, ``parquet``, ``json`` (one array), ``jsonl`` (an object a line) or ``xlsx``.
        inert: of a CSV, see :func:`write_csv`. The cells of a sheet are inert always.

    Returns:
        The path.

    Raises:
        UsageError: the format is unknown, the extra ``excel`` is missing, the rows do not fit a sheet, or
            there is no such directory.
        OutputUnwritable: no permission or no space.
    """
    path = Path(path)
    chosen = format_of(path, format)
    if chosen == "xlsx":
        _fits_excel(table)
    table = settled(table)
    with output(path) as staged:
        if chosen == "parquet":
            import pyarrow.parquet as pq

            pq.write_table(portable(table), staged, compression="zstd")
        elif chosen == "xlsx":
            _write_excel(table, staged)
        else:
            with staged.open("wb") as file:
                if chosen == "csv":
                    write_csv(table.schema, table.to_batches(), file, inert=inert)
                else:
                    write_json(table.to_batches(), file, lines=chosen == "jsonl")
    return path


def write_csv(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], sink: IO[bytes], *, inert: bool = False
) -> None:
    """Write rows as CSV with a heading: UTF-8, texts in quotes, null as an empty cell.

    Args:
        schema: of the rows.
        batches: the rows.
        sink: where to.
        inert: put an apostrophe before texts that begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage
            return. A spreadsheet runs such a text as a formula, and whoever names a file chooses it. Without,
            each text comes back from the file as it was collected.
    """
    import pyarrow as pa
    import pyarrow.csv as pcsv

    names = [_inert_name(name) if inert else name for name in schema.names]
    kinds = [field.type if _is_number(field.type) else pa.string() for field in schema]
    cells = pa.schema(list(zip(names, kinds, strict=True)))
    with pcsv.CSVWriter(sink, cells) as writer:
        for batch in batches:
            columns = [_cells(column, inert=inert) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=cells))


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    )


def _cells(column: pa.Array, *, inert: bool) -> pa.Array:
    """A column as numbers or texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    if _is_number(column.type):
        return column
    if not pa.types.is_string(column.type):
        column = pa.array(map(_cell_text, flat_values(column)), pa.string())
    if not inert:
        return column
    quoted = pc.binary_join_element_wise("'", column, "")
    return pc.if_else(pc.match_substring_regex(column, _FORMULA), quoted, column)


def _inert_name(name: str) -> str:
    return f"'{name}" if re.match(_FORMULA, name) else name


def _cell_text(value: Any) -> str | None:
    return None if value is None else str(value)


def write_json(
    batches: Iterable[pa.RecordBatch], sink: IO[bytes], *, lines: bool = False, ascii_only: bool = False
) -> None:
    """Write rows as one JSON array of objects, or with ``lines`` as an object a line.

    Args:
        batches: the rows.
        sink: where to.
        lines: an object a line.
        ascii_only: escape every other character, for a reader of another encoding than UTF-8.
    """
    before = b"" if lines else b"[\n"
    between = b"\n" if lines else b",\n"
    empty = True
    for batch in batches:
        text = between.decode().join(json_rows(batch, ascii_only=ascii_only))
        if text:
            sink.write((before if empty else between) + text.encode())
            empty = False
    sink.write((b"" if empty else b"\n") if lines else (b"[\n]\n" if empty else b"\n]\n"))


def ready(path: str | Path, format: str | None = None) -> Path:  # noqa: A002  # as in pandas
    """Check, before the rows are asked for, that a file can be written.

    Raises:
        UsageError, OutputUnwritable: as :func:`write`.
    """
    if format_of(path, format) == "xlsx":
        _excel()
    return writable(path)


def _excel() -> Any:
    try:
        import openpyxl
    except ImportError:
        raise UsageError("Excel needs the extra: pip install 'ctera-insights[excel]'") from None
    return openpyxl


def _fits_excel(table: pa.Table) -> None:
    _excel()
    if table.num_rows > _EXCEL_ROWS or table.num_columns > _EXCEL_COLUMNS:
        raise UsageError(
            f"A sheet holds {_EXCEL_ROWS:,} rows below its heading and {_EXCEL_COLUMNS:,} columns, not "
            f"{table.num_rows:,} and {table.num_columns:,}; write .parquet or .csv"
        )


def _write_excel(table: pa.Table, path: Path) -> None:
    book = _excel().Workbook(write_only=True)
    sheet = book.create_sheet("result")
    sheet.append([_cell(sheet, name) for name in table.column_names])
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        for row in zip(*map(_excel_values, batch.columns), strict=True):
            sheet.append([_cell(sheet, value) for value in row])
    with path.open("wb") as file:
        book.save(file)


def _excel_values(column: pa.Array) -> list[Any]:
    import pyarrow as pa

    values = flat_values(column)
    if pa.types.is_list(column.type) and not pa.types.is_nested(column.type.value_type):
        return [_lines(items) or text for items, text in zip(plain_values(column), values, strict=True)]
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        return values
    return [None if value is None else _excel_time(value) for value in values]


def _lines(items: list[Any] | None) -> str | None:
    """A list as one line an item, where that says it all."""
    texts = None if items is None or None in items else [str(item) for item in items]
    return "\n".join(texts) if texts and all(text and "\n" not in text for text in texts) else None


def _excel_time(text: str) -> datetime | str:
    """A time as Excel's calendar has it, without a zone; as text where that calendar has not begun."""
    if text[:1] in {"+", "-", "i"} or int(text[:4]) < _EXCEL_FIRST_YEAR:
        return text
    return datetime.fromisoformat(text.removesuffix("Z"))


def _cell(sheet: Any, value: Any) -> Any:
    """A value as Excel keeps it: a text that begins with ``=`` stays a text, and so does a long number."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, WriteOnlyCell

    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXCEL_WHOLE:
        value = str(value)
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)[:32_767])
    cell.data_type = "s"
    return cell
