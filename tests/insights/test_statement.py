"""One query, however it is written; everything else is refused, wherever it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctera_insights.errors import QueryFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctera_insights.insights import Insights, Result

QUERIES = [
    "SELECT count(*) FROM objects;",
    "SELECT count(*) FROM objects; -- done",
    "-- first\n/* $no; */ SELECT 1 -- last; $five",
    "SELECT 1 ;; ",
    "SELECT '$100; -- no' AS x, 'it''s $name'",
    "SELECT $$a;b$$, $t$ $no $t$",
    'SELECT 1 AS "a;$b"',
    "FROM objects SELECT name LIMIT 1",
    "FROM changes LIMIT 1",
    "with recursive x AS (SELECT op FROM changes) FROM x",
    "-- a comment\nWITH x AS (SELECT op FROM changes) SELECT * FROM x",
    "WITH changes AS (SELECT 1 AS mine) SELECT mine FROM changes",
    "VALUES (1), (2)",
    "TABLE objects",
    "SUMMARIZE changes",
    "DESCRIBE changes",
    "SHOW TABLES",
    "EXPLAIN SELECT * FROM changes",
    "EXPLAIN ANALYZE SELECT count(*) FROM changes",
    "PIVOT changes ON op USING count(*) GROUP BY cloud_folder",
    "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SELECT 'Prüfung 📊' AS x ; -- é",
]
REFUSED = [
    "DROP VIEW objects",
    "/* SELECT */ DROP TABLE activity",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t AS SELECT 1; SELECT * FROM t",
    "INSERT INTO objects SELECT * FROM objects",
    "DELETE FROM activity",
    "UPDATE activity SET op = 'x'",
    "COPY objects TO 'x.csv'",
    "ATTACH ':memory:' AS z",
    "PRAGMA database_list",
    "SET threads = 1",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CALL duckdb_tables()",
    "BEGIN",
    "EXPORT DATABASE 'x'",
    "SELECT 1; SELECT 2",
    "EXPLAIN DROP VIEW objects",
    "EXPLAIN ANALYZE DELETE FROM activity",
    "WITH gone AS (DELETE FROM activity RETURNING *) SELECT * FROM gone",
    "WITH x AS ( /* a */ INSERT INTO objects FROM objects RETURNING *) FROM x",
    "-- only a comment",
    "",
    " ; ",
    "SELECT ?",
    "SELECT $1",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_runs_as_people_write_it(insights: Insights, query: str) -> None:
    """Comments, semicolons, quotes, and whatever a query may begin with; with filters as well."""
    for filters in ({}, {"since": "2020-01-01", "cloud_folder": 'O\'Neill "Archive"'}):
        result = insights.sql(query, **filters)
        assert result.columns
        assert repr(result)
        assert len(result.df()) == len(result)


@pytest.mark.parametrize("query", REFUSED)
def test_all_else_is_refused_and_the_message_says_what_is_allowed(insights: Insights, query: str) -> None:
    before = len(insights.changes())
    with pytest.raises(UsageError, match=r"SELECT, FROM|write \$name"):
        insights.sql(query)
    assert len(insights.changes()) == before


def test_values_are_bound_where_duckdb_sees_a_parameter(insights: Insights) -> None:
    query = "SELECT $a AS x, '$b' AS y -- $c\nWHERE $a = 'it''s'"
    assert insights.sql(query, {"a": "it's"}).df().iloc[0].tolist() == ["it's", "$b"]
    with pytest.raises(UsageError, match=r"no value for \$a"):
        insights.sql(query)
    with pytest.raises(UsageError, match=r"has no \$b"):
        insights.sql(query, {"a": 1, "b": 2})
    with pytest.raises(UsageError, match="choose another name"):
        insights.sql("FROM changes WHERE $since > 1", {"since": 1}, since="2020-01-01")


def test_a_pivot_takes_values_too(insights: Insights) -> None:
    """DuckDB binds nothing to a PIVOT: the values stand in it as literals."""
    chosen = "FROM changes WHERE op <> $op AND cloud_folder <> $cf AND size > $n"
    query = f"PIVOT ({chosen}) ON op USING count(*) GROUP BY type"
    made = insights.sql(query, {"op": "created", "cf": "O'Neill; -- $n", "n": 5}, since="2020-01-01").df()
    assert "created" not in made.columns
    assert "modified" in made.columns


@pytest.mark.parametrize(
    "ask", [repr, len, lambda r: r.columns, lambda r: r.box(), lambda r: r.filter("x"), lambda r: r.df()]
)
def test_the_views_are_named_once(insights: Insights, ask: Callable[[Result], object]) -> None:
    with pytest.raises(QueryFailed) as told:
        ask(insights.sql("SELECT nowhere FROM objects"))
    assert str(told.value).count("The views are") == 1


def test_what_duckdb_refuses_names_the_views_and_the_reserved_word(insights: Insights) -> None:
    with pytest.raises(QueryFailed, match="batches"):
        insights.sql("FROM nowhere").df()
    with pytest.raises(QueryFailed, match="must be quoted"):
        insights.sql("SELECT at FROM activity")
    with pytest.raises(QueryFailed):
        repr(insights.sql("SELECT error('boom')"))
    with pytest.raises(QueryFailed):
        insights.operations().filter("nonsense = 1")
