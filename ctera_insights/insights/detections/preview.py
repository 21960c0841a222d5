"""How many alerts each sensitivity would have raised on a store's own history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Unpack

from ctera_insights.insights.analysis import parse
from ctera_insights.insights.detections.hours import query, scored_hours, text_of
from ctera_insights.insights.detections.incidents import fired, merged
from ctera_insights.insights.detections.openings import openings_or_failure
from ctera_insights.insights.detections.rules import RULES
from ctera_insights.insights.filters import FilterArgs, describe
from ctera_insights.insights.result import Result

if TYPE_CHECKING:
    from ctera_insights.insights.filters import Filters
    from ctera_insights.insights.insights import Insights

SENSITIVITIES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
_DAYS_A_MONTH: Final = 30.44


def preview(insights: Insights, **filters: Unpack[FilterArgs]) -> Result:
    """How many alerts a month each sensitivity would have raised on the store's own history.

    Columns: ``rule``, ``sensitivity``, ``least_value`` (the least that raises an alert in an hour),
    ``least_score``, ``alerts`` (in the whole history), ``alerts_per_month`` and ``months`` (of history).

    A rule that cannot run has no numbers; the result's note says why.

    Raises:
        InsightsError: no rule could run.
    """
    import pyarrow as pa

    chosen = insights.filters(**filters)
    pairs, failures = openings_or_failure(insights, chosen)
    rules = [rule for rule in RULES if rule.name not in {failure.rule for failure in failures}]
    scored, failed = scored_hours(insights, chosen, pairs.opening, max(SENSITIVITIES), rules)
    failures += failed
    unknown = {failure.rule for failure in failures}
    months = _months(insights, chosen)
    since_hour = int(chosen.since.timestamp() // 3600) if chosen.since else None
    rows = []
    for rule in RULES:
        for sensitivity in SENSITIVITIES:
            hours = fired(scored[scored["rule"] == rule.name], sensitivity)
            alerts = len(merged(hours, lambda _, __, hour: since_hour is None or hour >= since_hour))
            known = rule.name not in unknown
            rows.append(
                {
                    "rule": rule.name,
                    "sensitivity": sensitivity,
                    "least_value": rule.minimum / sensitivity,
                    "least_score": rule.threshold / sensitivity,
                    "alerts": alerts if known else None,
                    "alerts_per_month": alerts / months if known else None,
                    "months": months,
                }
            )
    table = pa.Table.from_pylist(rows)
    stated = parse("alerts_preview", text_of("preview.sql"))
    return Result(
        insights.connection,
        stated.sql,
        {},
        title=stated.title,
        note="; ".join([*filter(None, [describe(chosen, insights.tz)]), *map(str, failures)]),
        analysis=stated,
        finish=lambda _: table,
    )


def _months(insights: Insights, filters: Filters) -> float:
    """Months of live history that the filters leave, at least a day."""
    text = 'SELECT (epoch_us(max("at")) - epoch_us(min("at"))) / 86400e6 AS days FROM changes'
    days = query(insights, text, filters, {})["days"][0].as_py() or 0.0
    return float(max(days, 1.0)) / _DAYS_A_MONTH
