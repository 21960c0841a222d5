"""A result is lazy, is a relation, and goes to every format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ctera_insights.errors import UsageError
from ctera_insights.insights import Insights
from ctera_insights.insights.export import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb


def test_a_result_runs_when_its_rows_are_wanted(
    world: Any, connection_of: Callable[[Any], duckdb.DuckDBPyConnection]
):
    connection = connection_of(world)
    result = Insights(connection).operations()
    connection.execute("DELETE FROM activity WHERE op = 'deleted'")
    assert "deleted" not in set(result.df().op)


def test_a_result_is_the_relation_of_its_query(insights: Insights):
    created = insights.operations().filter("op = 'created'").project("op, events")
    assert created.fetchall() == [("created", 646)]
    assert insights.operations().aggregate("sum(events) AS n").fetchall()[0][0] == len(insights.changes())
    assert insights.hot_files().columns[0] == "path"


def test_arrow_pandas_and_polars_agree(insights: Insights):
    result = insights.activity_over_time(by="cloud_folder")
    frame = result.df()
    assert result.arrow().to_pandas().equals(frame)
    assert result.pl()["events"].to_list() == frame.events.to_list()


def test_csv_parquet_and_json_keep_the_rows(insights: Insights, tmp_path: Path):
    result = insights.hot_files(limit=5)
    frame = result.df()
    from_csv = pd.read_csv(result.to_csv(tmp_path / "a, b'c.csv"))
    assert list(from_csv.path) == list(frame.path)
    assert pd.to_datetime(from_csv.last_at).astype(frame.last_at.dtype).equals(frame.last_at)
    assert pq.read_table(result.to_parquet(tmp_path / "x.parquet")).to_pandas().equals(frame)
    rows = json.loads(result.to_json(tmp_path / "x.json").read_text())
    assert [row["guid"] for row in rows] == list(frame.guid)
    lines = result.to_json(tmp_path / "x.jsonl", lines=True).read_text().splitlines()
    assert [json.loads(line)["events"] for line in lines] == list(frame.events)


def test_excel_keeps_text_as_text(insights: Insights, tmp_path: Path):
    result = insights.sql(
        "SELECT '=1+1' AS formula, 'a\x01b' AS odd, TIMESTAMPTZ '2026-01-01 12:00:00Z' AS t, [1, 2] AS l"
    )
    sheet = openpyxl.load_workbook(result.to_excel(tmp_path / "x.xlsx")).active
    heading, row = list(sheet.iter_rows())
    assert [cell.value for cell in heading] == ["formula", "odd", "t", "l"]
    assert (row[0].value, row[0].data_type) == ("=1+1", "s")
    assert row[1].value == "a\N{REPLACEMENT CHARACTER}b"
    assert row[2].value == pd.Timestamp("2026-01-01 12:00")
    assert row[3].value == "1\n2"


def test_the_file_name_says_the_format_or_is_refused(insights: Insights, tmp_path: Path):
    table = insights.operations().arrow()
    assert write(table, tmp_path / "x.ndjson").read_text().count("\n") == table.num_rows
    with pytest.raises(UsageError, match="end it in"):
        write(table, tmp_path / "x.doc")


def test_a_result_shows_its_head_and_escapes_what_users_typed(insights: Insights):
    shown = insights.sql("SELECT '<script>' AS x FROM range(30)")._repr_html_()
    assert "<script>" not in shown
    assert "first 20 rows" in shown
    assert "Observed changes by operation" in repr(insights.operations())
