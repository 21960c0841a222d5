"""Which hours are unusual, and which of them a watch has not seen yet; each rule stands alone."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ctera_insights.errors import InsightsError, QueryFailed
from ctera_insights.insights.alerts import Failure
from ctera_insights.insights.analysis import parse, with_scopes
from ctera_insights.insights.detections.rules import RULES, Rule
from ctera_insights.insights.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from ctera_insights.insights.filters import Filters
    from ctera_insights.insights.insights import Insights

HOUR_US: Final = 3_600_000_000
_T = TypeVar("_T")


def text_of(name: str) -> str:
    """One of this folder's files."""
    return (resources.files("ctera_insights.insights.detections") / name).read_text(encoding="utf-8")


def sql_of(name: str) -> str:
    """One of this folder's queries, without its header."""
    return parse(name, text_of(name)).sql


def query(insights: Insights, text: str, filters: Filters, parameters: dict[str, Any]) -> pa.Table:
    """Run one of this folder's queries; its scopes see all history up to ``until``."""
    statement, bound = with_scopes(text, filters, parameters)
    return Result(insights.connection, statement, bound, lake=insights.lake).arrow()


def each_alone(rules: Sequence[Rule], run: Callable[[Sequence[Rule]], _T]) -> tuple[list[_T], list[Failure]]:
    """Run something for all rules at once; where that fails, for each alone, so that the others go on.

    Raises:
        InsightsError: it fails for every rule: then it is the store's failure, and none of a rule.
    """
    try:
        return [run(rules)], []
    except InsightsError as error:
        together = error
    done: list[_T] = []
    failures: list[Failure] = []
    for rule in rules:
        try:
            done.append(run([rule]))
        except InsightsError as error:
            failures.append(Failure.of(rule.name, error))
    if not done:
        raise together
    return done, failures


def scored_hours(
    insights: Insights, filters: Filters, opening: list[str], most: float, rules: Sequence[Rule] = RULES
) -> tuple[pd.DataFrame, list[Failure]]:
    """Every hour that a sensitivity of at most ``most`` could call an incident, with its score."""
    import duckdb
    import pandas as pd

    text = sql_of("hourly.sql")

    def run(some: Sequence[Rule]) -> pd.DataFrame:
        counts = "\n    UNION ALL\n".join(
            f"    SELECT '{rule.name}' AS rule, cloud_folder, hour, value FROM ({rule.counts})"  # noqa: S608
            for rule in some
        )
        hourly = query(insights, text.replace("{counts}", counts), filters, {"opening": opening})
        try:
            with duckdb.connect() as connection:
                connection.register("hourly", hourly)
                scored: pd.DataFrame = connection.sql(
                    sql_of("scores.sql"),
                    params={
                        "rules": [rule.name for rule in RULES],
                        "minimums": [rule.minimum for rule in RULES],
                        "floors": [rule.floor for rule in RULES],
                        "most": most,
                    },
                ).df()
        except duckdb.Error as error:
            raise QueryFailed(str(error)) from None
        return scored

    parts, failures = each_alone(rules, run)
    return (parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)), failures


def hours_with_news(
    insights: Insights, filters: Filters, opening: list[str], since: datetime, rules: Sequence[Rule] = RULES
) -> tuple[set[tuple[str, str | None, int]], list[Failure]]:
    """The rules, cloud folders and hours in which something counts that was collected since a moment."""

    def run(some: Sequence[Rule]) -> pa.Table:
        marks = ", ".join(f"bool_or(coalesce({rule.condition}, FALSE)) AS {rule.name}" for rule in some)
        return query(
            insights,
            f"""SELECT cloud_folder, epoch_us("at") // {HOUR_US} AS hour, {marks} FROM history
            WHERE phase = 'live' AND collected_at >= $collected_since GROUP BY ALL""",  # noqa: S608
            filters,
            {"opening": opening, "collected_since": since},
        )

    parts, failures = each_alone(rules, run)
    news = {
        (rule.name, row["cloud_folder"], row["hour"])
        for part in parts
        for row in part.to_pylist()
        for rule in RULES
        if row.get(rule.name)
    }
    return news, failures
