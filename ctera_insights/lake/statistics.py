"""The statistics of a data file, from its Parquet footer into the words of the Delta log."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def delta_statistics(metadata: Any, columns: Sequence[str]) -> str:
    """Row count, and minimum, maximum and null count of the named columns, as the Delta log's JSON.

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
            lows[name] = _plain(min(stats.min for stats in bounded))
            highs[name] = _plain(max(stats.max for stats in bounded))
    return json.dumps(
        {"numRecords": metadata.num_rows, "minValues": lows, "maxValues": highs, "nullCount": nulls}
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value
