"""Rows by the value of their partition column, as Delta stores them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def split(table: pa.Table, partition_by: tuple[str, ...]) -> list[tuple[dict[str, str | None], pa.Table]]:
    """Rows by partition value, without the partition column, as Delta stores them."""
    import pyarrow.compute as pc

    if not partition_by:
        return [({}, table)]
    (column,) = partition_by
    values = pc.unique(table[column]).to_pylist()
    if len(values) == 1:
        return [({column: partition_text(values[0])}, table.drop_columns([column]))]
    return [
        (
            {column: partition_text(value)},
            table.filter(pc.equal(table[column], value)).drop_columns([column]),
        )
        for value in sorted(values)
    ]


def partition_text(value: object) -> str | None:
    """A partition value as the log and the path write it."""
    return None if value is None else str(value)
