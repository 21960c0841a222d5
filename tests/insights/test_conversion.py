"""One conversion: integers stay integers, sums are numbers, times outlive the calendars, in every format."""

from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING, Any

import duckdb
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctera_insights.insights import Insights
from ctera_insights.insights.conversion import frame, json_rows, settled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ODD = """
    SELECT * FROM (VALUES
        (1, 9007199254740993::BIGINT, true, TIMESTAMPTZ '0001-01-01 00:00:00+01', 'nan'::DOUBLE,
            DATE '12000-01-01'),
        (2, NULL, NULL, NULL, 'infinity'::DOUBLE, NULL),
        (3, 9007199254740995, false, TIMESTAMPTZ '9999-12-31 23:59:59-01', 0.5, DATE '2026-01-01')
    ) t(n, id, flag, at_, share, day)
"""


@pytest.fixture
def odd() -> Iterator[Insights]:
    with duckdb.connect() as connection:
        yield Insights(connection)


def test_integers_with_nulls_stay_exact_integers(odd: Insights) -> None:
    made = odd.sql(ODD).df()
    assert str(made["id"].dtype) == "Int64"
    assert made["id"].dropna().tolist() == [2**53 + 1, 2**53 + 3]
    assert str(made["flag"].dtype) == "boolean"
    assert str(made["n"].dtype) == "int32"  # without a null it is what numpy has
    assert str(made["at_"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    "kind", ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"]
)
def test_every_width_of_integers_has_a_nullable_kin(odd: Insights, kind: str) -> None:
    made = odd.sql(f"SELECT CASE WHEN range = 1 THEN NULL ELSE 7 END::{kind} AS x FROM range(3)").df()
    assert made["x"].dtype.kind in "iu"
    assert made["x"].tolist() == [7, pd.NA, 7]


def test_sums_are_integers_while_they_fit(odd: Insights, tmp_path: Path) -> None:
    """A sum is a number in pandas, JSON and Arrow; one beyond 64 bits keeps its digits in JSON and CSV."""
    result = odd.sql("SELECT range % 2 AS k, sum(range) AS bytes FROM range(10) GROUP BY k ORDER BY k")
    assert str(result.arrow().schema.field("bytes").type) == "int64"
    made = result.df()
    assert made["bytes"].dtype.kind == "i"
    assert (made["bytes"] / 1e9).sum() == pytest.approx(45 / 1e9)
    assert made.nlargest(1, "bytes")["bytes"].tolist() == [25]
    assert json.loads(result.to_json(tmp_path / "x.json").read_text())[0] == {"k": 0, "bytes": 20}
    vast = odd.sql("SELECT sum(x) AS x FROM (VALUES (9223372036854775807), (9223372036854775807)) t(x)")
    assert vast.df()["x"].tolist() == [float(2 * (2**63 - 1))]
    assert json.loads(vast.to_json(tmp_path / "y.json").read_text()) == [{"x": 2 * (2**63 - 1)}]
    assert str(2 * (2**63 - 1)) in vast.to_csv(tmp_path / "y.csv").read_text()


def test_sums_within_lists_structs_and_maps_are_numbers_too(odd: Insights) -> None:
    found = odd.sql(
        "SELECT [sum(n)] AS l, {'s': sum(n), 'd': 1.5} AS s, map(['k'], [sum(n)]) AS m, "
        f"[sum(n::HUGEINT << 64)] AS h FROM ({ODD})"
    ).df()
    row = found.iloc[0].to_dict()
    assert row == {"l": [6], "s": {"s": 6, "d": 1.5}, "m": {"k": 6}, "h": [6 << 64]}
    assert [type(row[name][0]) for name in "lh"] == [int, int]


def test_a_decimal_with_a_scale_is_a_float_in_pandas(odd: Insights) -> None:
    assert odd.sql("SELECT 1.25::DECIMAL(5, 2) AS x").df()["x"].tolist() == [1.25]


def test_times_beyond_every_calendar_are_text_where_they_are_shown(odd: Insights, tmp_path: Path) -> None:
    """The zero date of a zone east of Greenwich lies in the year 0: shown and exported, never a crash."""
    result = odd.sql(ODD)
    assert "0000-12-31T23:00:00Z" in repr(result)
    assert "+10000-01-01T00:59:59Z" in result._repr_html_()
    rows = json.loads(result.to_json(tmp_path / "x.json").read_text())
    assert [row["at_"] for row in rows] == ["0000-12-31T23:00:00Z", None, "+10000-01-01T00:59:59Z"]
    assert [row["day"] for row in rows] == ["+12000-01-01", None, "2026-01-01"]
    assert [row["share"] for row in rows] == [None, None, 0.5]
    sheet = openpyxl.load_workbook(result.to_excel(tmp_path / "x.xlsx")).active
    heading, *cells = ([cell.value for cell in row] for row in sheet.iter_rows())
    column = {name: [row[place] for row in cells] for place, name in enumerate(heading)}
    assert column["at_"] == ["0000-12-31T23:00:00Z", None, "+10000-01-01T00:59:59Z"]
    assert column["id"] == [str(2**53 + 1), None, str(2**53 + 3)]  # Excel keeps fifteen digits
    with result.to_csv(tmp_path / "x.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [str(2**53 + 1), "", str(2**53 + 3)]


@pytest.mark.parametrize("inert", [True, False])
def test_a_csv_is_exact_or_inert(odd: Insights, tmp_path: Path, inert: bool) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain", "a=b", "", "'quoted"]
    values = ", ".join(f"({n}, '{name.replace(chr(39), chr(39) * 2)}')" for n, name in enumerate(names))
    result = odd.sql(f"SELECT name, -n AS n FROM (VALUES {values}) t(n, name) ORDER BY n DESC")
    with result.to_csv(tmp_path / "x.csv", inert=inert).open(newline="") as file:
        found = list(csv.DictReader(file))
    told = [row["name"] for row in found]
    dangerous = [name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in names]
    expected = [f"'{name}" if inert and odd_ else name for name, odd_ in zip(names, dangerous, strict=True)]
    assert told == expected
    assert [int(row["n"]) for row in found] == [
        -n for n in range(len(names))
    ]  # a negative number is no formula


KINDS = [
    "1::HUGEINT",
    "1::UHUGEINT",
    "INTERVAL 3 DAY",
    "TIME '12:00'",
    "uuid()",
    "[1, NULL]",
    "{'a': 1, 'b': DATE '12000-01-01'}",
    "map {'k': 1}",
    "map {1: [TIMESTAMPTZ '0001-01-01 00:00:00+01']}",
    "'x'::BLOB",
    "'\\xFF'::BLOB",
    "'a'::ENUM('a', 'b')",
    "'101'::BIT",
    "'infinity'::TIMESTAMPTZ",
    "'-infinity'::DATE",
    "TIMESTAMP_NS '2026-01-01 00:00:00.123456789'",
    "TIMESTAMP_S '2026-01-01'",
    "NULL",
    "union_value(k := 1)",
    "'{\"a\": 1}'::JSON",
    "12345678901234567890123456789::BIGNUM",
    "TIME '24:00:00'",
    "[]",
    "{'a': {'b': [NULL]}}",
    "chr(0)",
    "'\\u202e'",
]


@pytest.mark.parametrize("expression", KINDS)
@pytest.mark.parametrize("other", ["NULL", "same"])
def test_every_type_goes_to_every_format(odd: Insights, tmp_path: Path, expression: str, other: str) -> None:
    """Nothing that DuckDB can give breaks a frame, a picture of it, or a file of it."""
    second = expression if other == "same" else f"CASE WHEN false THEN {expression} END"
    result = odd.sql(f"SELECT {expression} AS x UNION ALL SELECT {second}")
    assert len(result.df()) == 2
    assert repr(result)
    assert result._repr_html_()
    assert result.box()
    for row in json.loads(result.to_json(tmp_path / "x.json").read_text()):
        assert "x" in row
    for write, name in (
        (result.to_csv, "x.csv"),
        (result.to_excel, "x.xlsx"),
        (result.to_parquet, "x.parquet"),
    ):
        assert write(tmp_path / name).stat().st_size > 0
    assert result.pl().height == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**63) + 1, 2**63 - 1)), min_size=1, max_size=20))
def test_what_goes_in_comes_out(numbers: list[int | None]) -> None:
    """Any integers, with and without nulls: the same in pandas, and in JSON."""
    import pyarrow as pa

    table = pa.table({"x": pa.array(numbers, pa.int64())})
    found: list[Any] = [None if value is pd.NA else int(value) for value in frame(table)["x"]]
    assert found == numbers
    assert [json.loads(row)["x"] for row in json_rows(table)] == numbers


@given(st.lists(st.floats(width=64), max_size=10))
def test_json_has_no_word_for_what_is_no_number(numbers: list[float]) -> None:
    import pyarrow as pa

    told = [json.loads(row)["x"] for row in json_rows(pa.table({"x": pa.array(numbers, pa.float64())}))]
    assert told == [number if math.isfinite(number) else None for number in numbers]


def test_a_name_may_stand_twice(odd: Insights) -> None:
    result = odd.sql("SELECT 1 AS a, 2 AS a")
    assert result.df().iloc[0].tolist() == [1, 2]
    assert [json.loads(row) for row in json_rows(settled(result.arrow()))] == [{"a": 1, "a_1": 2}]


WITHOUT_ARROW = {
    "340282366920938463463374607431768211455::UHUGEINT": "340282366920938463463374607431768211455",
    f"{10**49 + 1}::BIGNUM": f"{10**49 + 1}",
    "'00101'::BIT": "00101",
    "TIMETZ '10:00:00+02'": "10:00:00+02",
    "1::VARIANT": "1",
    "union_value(k := 2)": "2",
}


@pytest.mark.parametrize("expression", WITHOUT_ARROW)
@pytest.mark.parametrize(
    "form", ["{}", "[{}]", "[[{}], NULL]", "{{'a \" b': {}}}", "map {{'k': {}}}", "[{{'a': {}}}]"]
)
def test_what_arrow_has_no_type_for_is_told_as_duckdb_writes_it(
    odd: Insights, tmp_path: Path, expression: str, form: str
) -> None:
    """Not as -1, not as 10 o'clock somewhere, not as bytes; alone and within lists, structs and maps."""
    try:
        odd.connection.execute(f"SELECT {expression}").fetchall()
    except duckdb.Error:
        if duckdb.__version__ >= "1.5":
            raise
        pytest.skip("an older DuckDB does not know the type")
    result = odd.sql(f"SELECT {form.format(expression)} AS x, 7 AS y")
    plain = json.loads(result.to_json(tmp_path / "x.json").read_text())[0]
    assert plain["y"] == 7
    assert json.dumps(WITHOUT_ARROW[expression]) in json.dumps(plain["x"])
    assert WITHOUT_ARROW[expression] in str(result.df()["x"][0])
    assert WITHOUT_ARROW[expression] in result.to_csv(tmp_path / "x.csv").read_text()
    assert len(list(result.stream()[1])) == 1


def test_integers_within_lists_stay_exact_beside_a_null(odd: Insights, tmp_path: Path) -> None:
    """numpy would make floats of them: other ids."""
    result = odd.sql(f"SELECT list(id ORDER BY n) AS ids, [{{'id': max(id)}}, NULL] AS s FROM ({ODD})")
    ids, nested = result.df().iloc[0].tolist()
    assert ids == [2**53 + 1, None, 2**53 + 3]
    assert nested == [{"id": 2**53 + 3}, None]
    sheet = openpyxl.load_workbook(result.to_excel(tmp_path / "x.xlsx")).active
    assert [json.loads(cell.value) for cell in sheet[2]] == [ids, nested]


def test_a_sum_below_the_integers_keeps_its_sign(odd: Insights) -> None:
    assert odd.sql("SELECT (-170141183460469231731687303715884105728)::HUGEINT AS x").df()["x"][0] == -(
        2.0**127
    )


def test_a_time_of_day_may_be_the_end_of_it(odd: Insights, tmp_path: Path) -> None:
    result = odd.sql("SELECT TIME '24:00:00' AS x UNION ALL SELECT TIME '01:02:03.5'")
    assert sorted(row["x"] for row in json.loads(result.to_json(tmp_path / "x.json").read_text())) == [
        "01:02:03.500000",
        "24:00:00",
    ]


def test_a_year_before_the_first_has_four_digits_and_a_sign(odd: Insights, tmp_path: Path) -> None:
    result = odd.sql("SELECT DATE '0044-03-15 (BC)' AS x")
    assert json.loads(result.to_json(tmp_path / "x.json").read_text()) == [{"x": "-0043-03-15"}]


def test_a_column_keeps_its_name_where_another_must_get_one(odd: Insights) -> None:
    result = odd.sql("SELECT 1 AS a, 2 AS a, 3 AS a_1")
    assert [json.loads(row) for row in json_rows(settled(result.arrow()))] == [{"a": 1, "a_2": 2, "a_1": 3}]
    assert result.pl().columns == ["a", "a_2", "a_1"]
