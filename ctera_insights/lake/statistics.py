"""The statistics of a data file, from its Parquet footer into the words of the Delta log."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from ctera_insights.values import from_micros

if TYPE_CHECKING:
    from collections.abc import Sequence


def delta_statistics(metadata: Any, columns: Sequence[str]) -> str:
    """Row count, and minimum, maximum and null count of the named columns, as the Delta log's JSON.

    Where the log has no words for a bound of a column, the column has none: readers then read the file.

    Args:
        metadata: ``pyarrow.parquet.FileMetaData`` of a file just written.
        columns: names of top-level columns.

    Source: Delta transaction log protocol, "Per-file statistics".
    """
    index = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    lows: dict[str, Any] = {}
    highs: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for name in columns:
        if name not in index:  # a partition column is not in the file
            continue
        found = [group.column(index[name]).statistics for group in groups]
        if any(stats is None or not stats.has_null_count for stats in found):
            continue
        nulls[name] = sum(stats.null_count for stats in found)
        bounded = [stats for stats in found if stats.has_min_max]
        if bounded and all(stats.has_min_max or stats.num_values == 0 for stats in found):
            ends = [_ends(stats) for stats in bounded]
            low, high = bound(min(low for low, _ in ends)), bound(max(high for _, high in ends))
            if low is not None and high is not None:
                lows[name], highs[name] = low, high
    return json.dumps(
        {"numRecords": metadata.num_rows, "minValues": lows, "maxValues": highs, "nullCount": nulls}
    )


class _Micros(int):
    """A time in microseconds since 1970, which may lie beyond what Python calls a time."""


def _ends(stats: Any) -> tuple[Any, Any]:
    if "timeUnit=microseconds" in str(stats.logical_type):
        return _Micros(stats.min_raw), _Micros(stats.max_raw)
    return stats.min, stats.max


def bound(value: Any) -> Any:
    """A bound of a column as the log's JSON has it; ``None`` when the log has no words for it."""
    if isinstance(value, _Micros):
        value = from_micros(value)
    if isinstance(value, datetime):  # not by strftime(), which writes the year 1 as "1" on Linux
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date) else value
