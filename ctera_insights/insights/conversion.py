"""The one way from Arrow, as DuckDB gives it, to pandas, JSON, CSV and Excel.

====================  =====================  ========================  ===================================
DuckDB                Arrow, Parquet         pandas                    JSON, CSV, Excel
====================  =====================  ========================  ===================================
integers              as they are            Int64 and its kin where   numbers; in Excel a text beyond
                                             any is null, else int64   15 digits
UHUGEINT, BIGNUM,     text, every digit      text                      text
BIT, TIME WITH ZONE,
VARIANT, UNION
sums (HUGEINT)        int64 when all fit,    int64, Int64; float64     numbers, every digit
                      else decimal128        where one does not fit
DECIMAL with scale    decimal128             float64                   numbers
BOOLEAN               bool                   boolean where any is      true, false
                                             null, else bool
times with a zone     timestamp[us, UTC]     datetime64[us, UTC]       ISO 8601 with ``Z``; in Excel a date
times without         timestamp              datetime64                ISO 8601; in Excel a date
beyond a target's     as they are            ISO 8601 as text (dates)  ISO 8601 as text
years
NaN, Infinity         as they are            as they are               null; in CSV and Excel empty
BLOB                  binary                 bytes                     its text, or hexadecimal
lists, structs, maps  as they are            lists, dicts              arrays, objects; in a cell JSON text,
                                                                       in Excel a line an item if it can
====================  =====================  ========================  ===================================
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    import pandas as pd
    import pyarrow as pa

_WITHOUT_ARROW: Final = frozenset(
    {"uhugeint", "bignum", "varint", "bit", "time with time zone", "variant", "union"}
)
_NESTED: Final = frozenset({"list", "array", "struct", "map"})
_FOREVER: Final = {2**63 - 1: "infinity", -(2**63 - 1): "-infinity"}
_YEARS_S: Final = (-62_135_596_800, 253_402_300_800)
"""Seconds since 1970 of the beginning of the year 1 and the end of the year 9999."""
_FIT: Final = 2**63


def told_as_text(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same rows, with what Arrow has no type for as DuckDB writes it.

    Arrow would get the wrong number (of UHUGEINT), a time without its zone, or DuckDB's own bytes.
    """
    kinds = [_in_arrow(kind) for kind in relation.types]
    if not any(kinds):
        return relation
    names = [name.replace('"', '""') for name in numbered(relation.columns)]
    columns = (
        f'CAST("{name}" AS {kind}) AS "{name}"' if kind else f'"{name}"'
        for name, kind in zip(names, kinds, strict=True)
    )
    given = ", ".join(f'"{name}"' for name in names)
    told = relation.query("_told", f"SELECT {', '.join(columns)} FROM _told AS _told({given})")  # noqa: S608
    assert told is not None  # a SELECT has rows
    return told


def _in_arrow(kind: duckdb.sqltypes.DuckDBPyType) -> str:
    """The type to cast to before Arrow; empty where nothing is to be cast."""
    if kind.id in _WITHOUT_ARROW:
        return "VARCHAR"
    if kind.id not in _NESTED:
        return ""
    parts = [(name, part) for name, part in kind.children if not isinstance(part, (int, list))]
    cast = [_in_arrow(part) for _, part in parts]
    if not any(cast):
        return ""
    kinds = [to or str(part) for to, (_, part) in zip(cast, parts, strict=True)]
    if kind.id == "map":
        return f"MAP({', '.join(kinds)})"
    if kind.id == "struct":
        fields = (
            '"{}" {}'.format(name.replace('"', '""'), to) for (name, _), to in zip(parts, kinds, strict=True)
        )
        return f"STRUCT({', '.join(fields)})"
    return f"{kinds[0]}[]"


def settled(table: pa.Table) -> pa.Table:
    """The same rows with sums as int64 where all of a column fit, and times with a zone in ``UTC``."""
    for position, field in enumerate(table.schema):
        column = _settled(table.column(position))
        if column.type != field.type:
            table = table.set_column(position, field.with_type(column.type), column)
    return table


def _settled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if _is_whole(column.type):
        ends = pc.min_max(column)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        if low is None or (low >= -_FIT and high < _FIT):
            return column.cast(pa.int64())
    elif pa.types.is_timestamp(column.type) and column.type.tz not in {None, "UTC"}:
        return column.cast(pa.timestamp(column.type.unit, "UTC"))
    return column


def has_sums(schema: pa.Schema) -> bool:
    """Whether some columns become int64 only if all of their values fit."""
    return any(_is_whole(field.type) for field in schema)


def _is_whole(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_decimal(kind) and kind.scale == 0)


# --- pandas ------------------------------------------------------------------------------------------------


def frame(table: pa.Table) -> pd.DataFrame:
    """A table as a pandas frame; see the table above."""
    import pandas as pd

    table = settled(table)
    columns = {place: _series(table.column(place)) for place in range(table.num_columns)}
    made = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))
    made.columns = pd.Index(table.column_names)  # a name may stand there twice
    return made


def _series(column: pa.ChunkedArray) -> pd.Series[Any]:
    import pandas as pd
    import pyarrow as pa

    kind = column.type
    if pa.types.is_decimal(kind):
        numbers = [None if value is None else float(value) for value in column.to_pylist()]
        column = pa.chunked_array([pa.array(numbers, pa.float64())])  # Arrow's own cast loses signs
    elif "decimal" in str(kind):  # a sum within a list or a struct
        return pd.Series(plain_values(column), dtype=object)
    elif pa.types.is_nested(kind):
        return pd.Series(_python_values(column), dtype=object)
    elif column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        nullable = pd.BooleanDtype() if pa.types.is_boolean(kind) else _nullable_integers()[str(kind)]
        series: pd.Series[Any] = column.to_pandas(types_mapper=lambda _: nullable)
        return series
    try:
        series = column.to_pandas()
    except (pa.ArrowException, ValueError, OverflowError):  # beyond what Python or pandas has a type for
        series = pd.Series(plain_values(column), dtype=object)
    return series


def _python_values(column: pa.ChunkedArray) -> list[Any]:
    """Lists and dicts; numpy's arrays have floats where an integer is missing."""
    try:
        return list(column.to_pylist(maps_as_pydicts="lossy"))
    except (ValueError, OverflowError, TypeError):  # a time that Python has no type for, a key that is a list
        return plain_values(column)


def _nullable_integers() -> dict[str, Any]:
    import pandas as pd

    kinds = (pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype)
    unsigned = (pd.UInt8Dtype, pd.UInt16Dtype, pd.UInt32Dtype, pd.UInt64Dtype)
    return {each.name.lower(): each() for each in (*kinds, *unsigned)}


# --- plain values: JSON, CSV, Excel ------------------------------------------------------------------------


def plain_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """A column as values that JSON has words for, every digit of a number kept."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in plain_values(chunk)]
    for kinds, values in _PLAIN.items():
        if any(getattr(pa.types, f"is_{kind}")(column.type) for kind in kinds):
            return values(column)
    return [None if scalar.as_py() is None else _text(scalar.as_py()) for scalar in column]


def _as_they_are(column: pa.Array) -> list[Any]:
    return list(column.to_pylist())


def _decoded(column: pa.Array) -> list[Any]:
    return plain_values(column.dictionary_decode())


def _finite(column: pa.Array) -> list[Any]:
    return [None if value is None or not math.isfinite(value) else value for value in column.to_pylist()]


def _numbers(column: pa.Array) -> list[Any]:
    make = int if column.type.scale == 0 else float
    return [None if value is None else make(value) for value in column.to_pylist()]


def _lists(column: pa.Array) -> list[Any]:
    items = [scalar.values for scalar in column]  # noqa: PD011  # of Arrow, not of pandas
    return [None if item is None else plain_values(item) for item in items]


def _structs(column: pa.Array) -> list[Any]:
    names = [field.name for field in column.type]
    fields = [plain_values(each) for each in column.flatten()]
    rows: Iterator[tuple[Any, ...]] = zip(*fields, strict=True) if fields else iter([()] * len(column))
    return [
        dict(zip(names, row, strict=True)) if there else None
        for there, row in zip(column.is_valid().to_pylist(), rows, strict=True)
    ]


def _maps(column: pa.Array) -> list[Any]:
    found: list[Any] = []
    for scalar in column:
        entries = scalar.values  # noqa: PD011  # of Arrow, not of pandas
        if entries is None:
            found.append(None)
            continue
        keys = [key if isinstance(key, str) else json.dumps(key) for key in plain_values(entries.field(0))]
        found.append(dict(zip(keys, plain_values(entries.field(1)), strict=True)))
    return found


def _text(value: Any) -> str:
    if hasattr(value, "nanoseconds"):  # an interval, as Arrow gives it
        seconds = value.nanoseconds / 10**9
        return f"P{value.months}M{value.days}DT{seconds:g}S"
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def portable(table: pa.Table) -> pa.Table:
    """The same rows for Parquet and polars: each name once, and intervals, which neither knows, as text."""
    import pyarrow as pa

    for position, field in enumerate(table.schema):
        if pa.types.is_interval(field.type):
            texts = pa.chunked_array([pa.array(plain_values(table.column(position)), pa.string())])
            table = table.set_column(position, field.with_type(pa.string()), texts)
    return table.rename_columns(numbered(table.column_names))


def _clock(column: pa.Array) -> list[Any]:
    """Times of day, up to 24:00:00, which Python has no time for."""
    import pyarrow as pa

    digits = {"s": 0, "ms": 3, "us": 6, "ns": 9}[column.type.unit]
    found: list[Any] = []
    for ticks in column.cast(pa.int32() if column.type.bit_width == 32 else pa.int64()).to_pylist():
        if ticks is None:
            found.append(None)
            continue
        seconds, rest = divmod(ticks, 10**digits)
        fraction = f".{rest:0{digits}}" if rest else ""
        found.append(f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}")
    return found


def _days(column: pa.Array) -> list[Any]:
    import numpy as np
    import pyarrow as pa

    days = column.cast(pa.date32()).view(pa.int32()).to_pylist()
    limits = {2**31 - 1: "infinity", -(2**31 - 1): "-infinity"}
    return [None if d is None else limits.get(d) or _expanded(str(np.datetime64(d, "D"))) for d in days]


def _moments(column: pa.Array) -> list[Any]:
    """Times in ISO 8601, those before the year 1 and after 9999 with as many digits as they need."""
    import numpy as np
    import pyarrow as pa

    unit, end = column.type.unit, "Z" if column.type.tz else ""
    numbers = column.view(pa.int64()).to_numpy(zero_copy_only=False) if not column.null_count else None
    if numbers is None:
        numbers = column.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    texts = np.datetime_as_string(numbers.astype(f"datetime64[{unit}]")).tolist()
    present = column.is_valid().to_pylist()
    return [
        (_FOREVER.get(number) or _expanded(_short(text)) + end) if there else None
        for there, number, text in zip(present, numbers.tolist(), texts, strict=True)
    ]


_PLAIN: Final[dict[tuple[str, ...], Callable[[Any], list[Any]]]] = {
    ("string", "large_string", "integer", "boolean", "null"): _as_they_are,
    ("timestamp",): _moments,
    ("date",): _days,
    ("time",): _clock,
    ("decimal",): _numbers,
    ("floating",): _finite,
    ("dictionary",): _decoded,
    ("struct",): _structs,
    ("map",): _maps,
    ("list", "large_list", "fixed_size_list"): _lists,
}


def _short(text: str) -> str:
    """Without a fraction of a second that is zero."""
    whole, _, fraction = text.partition(".")
    return text if fraction.strip("0") else whole


def _expanded(text: str) -> str:
    """A year of more than four digits, or before the year 0, has a sign in ISO 8601; it has four at least."""
    if text[0] == "-":
        year, dash, rest = text[1:].partition("-")
        return f"-{year.rjust(4, '0')}{dash}{rest}"
    return text if text.index("-") == 4 else f"+{text}"


def shown(made: pd.DataFrame) -> pd.DataFrame:
    """A frame to look at: its texts visible, and times that pandas cannot write as text."""
    import pandas as pd

    made = made.copy()
    for place in range(made.shape[1]):
        series = made.iloc[:, place]
        if pd.api.types.is_datetime64_any_dtype(series):
            texts = _if_beyond(series)
        elif pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series):
            continue
        else:
            texts = [None if _is_missing(value) else visible(_told(value)) for value in series]
        if texts is not None:
            made.isetitem(place, pd.array(texts, dtype=object))
    made.columns = pd.Index([visible(str(name)) for name in made.columns])
    return made


def _if_beyond(series: pd.Series[Any]) -> list[Any] | None:
    """Times as texts where some lie outside the years that Python's ``datetime`` knows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column: Any = pa.Array.from_pandas(series)
    ends = pc.min_max(column.cast(pa.timestamp("s"), safe=False).cast(pa.int64()))
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is None or (low >= _YEARS_S[0] and high < _YEARS_S[1]):
        return None
    return plain_values(column)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _told(value: Any) -> str:
    if hasattr(value, "tolist"):
        value = value.tolist()
    return _text(value) if isinstance(value, bytes) else str(value)


def json_rows(batch: pa.RecordBatch | pa.Table, *, ascii_only: bool = False) -> Iterator[str]:
    """Each row as a JSON object; of columns with one name, each but the first is numbered."""
    names = numbered(batch.schema.names)
    columns = [plain_values(batch.column(place)) for place in range(batch.num_columns)]
    for row in zip(*columns, strict=True):
        row_of = dict(zip(names, row, strict=True))
        yield json.dumps(row_of, ensure_ascii=ascii_only, allow_nan=False)


def numbered(names: list[str]) -> list[str]:
    """Names that stand once each.

    >>> numbered(["a", "b", "a"]), numbered(["a", "a", "a_1"])
    (['a', 'b', 'a_1'], ['a', 'a_2', 'a_1'])
    """
    taken: dict[str, None] = {}
    for name in names:
        unique, number = name, 0
        while unique in taken or (number and unique in names):  # whose name it is, keeps it
            number += 1
            unique = f"{name}_{number}"
        taken[unique] = None
    return list(taken)


def flat_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Plain values for a cell: lists and objects as JSON text."""
    import pyarrow as pa

    values = plain_values(column)
    if pa.types.is_nested(column.type):
        return [None if v is None else json.dumps(v, ensure_ascii=False, allow_nan=False) for v in values]
    return values
