"""What the Delta log says of a file is true, and every Delta reader can read it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctera_insights.lake.statistics import delta_statistics
from ctera_insights.values import EARLIEST_US, LATEST_US

if TYPE_CHECKING:
    from pathlib import Path

TIME = pa.timestamp("us", "UTC")


def statistics(column: pa.Array, rows_per_group: int = 1000) -> dict[str, Any]:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"c": column}), sink, row_group_size=rows_per_group)
    told: dict[str, Any] = json.loads(
        delta_statistics(pq.read_metadata(pa.BufferReader(sink.getvalue())), ["c"]),
        parse_constant=lambda word: pytest.fail(f"{word} is no JSON"),
    )
    return told


def times(*micros: int | None) -> pa.Array:
    return pa.array(micros, pa.int64()).cast(TIME)


def test_years_have_four_digits() -> None:
    told = statistics(times(EARLIEST_US, LATEST_US))
    assert told["minValues"]["c"] == "0001-01-01T00:00:00.000000Z"
    assert told["maxValues"]["c"] == "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize("micros", [EARLIEST_US - 1, LATEST_US + 1, 2**63 - 1, -(2**63)])
def test_a_time_without_words_leaves_its_column_unbounded(micros: int) -> None:
    """Stores written by earlier versions hold such times, and are compacted."""
    told = statistics(times(0, micros))
    assert told["minValues"] == told["maxValues"] == {}
    assert told["nullCount"] == {"c": 0}


@given(st.lists(st.none() | st.integers(EARLIEST_US, LATEST_US), min_size=1, max_size=6), st.integers(1, 3))
@settings(deadline=None)
def test_bounds_hold(micros: list[int | None], rows_per_group: int) -> None:
    told = statistics(times(*micros), rows_per_group)
    known = [each for each in micros if each is not None]
    assert told["nullCount"]["c"] == len(micros) - len(known)
    low, high = (
        pa.array([told[bound].get("c")]).cast(TIME).cast(pa.int64())[0].as_py()
        for bound in ("minValues", "maxValues")
    )
    assert (low, high) == ((min(known), max(known)) if known else (None, None))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([math.nan, 1.0]),
        pa.array([-math.inf, math.inf]),
        pa.array(["x" * 1_000_000, "\ud7ff\ue000\U0010ffff", "\0"]),
        pa.array([-(2**63), 2**63 - 1]),
        pa.array([None], pa.string()),
    ],
)
def test_any_column_gives_json_that_delta_readers_take(column: pa.Array, tmp_path: Path) -> None:
    from deltalake import DeltaTable, write_deltalake

    told = statistics(column)
    write_deltalake(tmp_path, pa.table({"c": column}))
    (log,) = (tmp_path / "_delta_log").glob("*0.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "add" in line:
            line["add"]["stats"] = json.dumps(told)
    log.write_text("\n".join(map(json.dumps, lines)))
    table = DeltaTable(tmp_path)
    assert len(table.get_add_actions(flatten=True)) == 1
    assert table.to_pyarrow_dataset().count_rows() == len(column)
