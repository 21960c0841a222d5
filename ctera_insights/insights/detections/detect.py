"""Run the rules over a store: what fires, and on what evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Unpack

from ctera_insights.errors import InsightsError, UsageError
from ctera_insights.insights.alerts import Alerts, Failure
from ctera_insights.insights.detections.hours import hours_with_news, query, scored_hours, sql_of
from ctera_insights.insights.detections.incidents import fired, merged
from ctera_insights.insights.detections.openings import openings_or_failure, unreadable
from ctera_insights.insights.detections.rules import RULES
from ctera_insights.insights.filters import FilterArgs, When, describe, is_age, moment, words_of
from ctera_insights.insights.parameters import is_number

if TYPE_CHECKING:
    from datetime import datetime

    from ctera_insights.insights.alerts import Alert
    from ctera_insights.insights.filters import Filters
    from ctera_insights.insights.insights import Insights

MOST_SENSITIVE: Final = 8.0
_EVIDENCE_FOR: Final = 100


def detect(
    insights: Insights,
    *,
    sensitivity: float = 1.0,
    collected_since: When | None = None,
    **filters: Unpack[FilterArgs],
) -> Alerts:
    """Find what looks like an incident.

    Args:
        insights: an opened store.
        sensitivity: 1 is the rules as stated; 2 halves every threshold, 0.5 doubles it. Above 0, at most 8.
        collected_since: tell only of what something new belongs to: something collected since then, whenever
            it happened. This is what a watch asks: what came late is told in the first run that sees it, and
            a Portal whose clock is wrong hides nothing.
        filters: a date or time as ``since``, and ``until``, choose the hours that may raise an alert, by the
            time of the changes; an age such as ``"1h"`` as ``since`` is a ``collected_since``. What is usual
            is learnt from all history before each hour.

    Returns:
        What fired, and each rule that could not run: the others stand without it.

    Raises:
        UsageError: the sensitivity or a filter is out of range.
        InsightsError: no rule could run.
    """
    if not is_number(sensitivity) or not 0 < sensitivity <= MOST_SENSITIVE:
        raise UsageError(f"A sensitivity lies above 0 and is at most {MOST_SENSITIVE:g}, not {sensitivity!r}")
    if is_age(filters.get("since")):
        if collected_since is not None:
            raise UsageError("An age as since counts by collection; give it or collected_since, not both")
        collected_since = filters.pop("since")
    new_since = moment(collected_since, insights.tz)
    chosen = insights.filters(**filters)

    pairs, failures = openings_or_failure(insights, chosen)
    rules = [rule for rule in RULES if rule.name not in {failure.rule for failure in failures}]
    scored, failed = scored_hours(insights, chosen, pairs.opening, sensitivity, rules)
    failures += failed
    hours = fired(scored, sensitivity)
    since_hour = int(chosen.since.timestamp() // 3600) if chosen.since else None
    if new_since is None:
        incidents = merged(hours, lambda _, __, hour: since_hour is None or hour >= since_hour)
    else:
        ran = [rule for rule in rules if rule.name not in {failure.rule for failure in failures}]
        news, failed = hours_with_news(insights, chosen, pairs.opening, new_since, ran)
        failures += failed
        # A rule whose news could not be had tells all: twice is better than never.
        unknown = {failure.rule for failure in failed}
        incidents = merged(
            hours,
            lambda rule, folder, hour: (
                (since_hour is None or hour >= since_hour)
                and (rule in unknown or (rule, folder, hour) in news)
            ),
        )
    failures += _give_evidence(insights, incidents, chosen, pairs.opening)
    return Alerts(
        sorted(incidents, key=lambda alert: (alert.first_at, alert.rule, alert.cloud_folder or "")),
        sensitivity=sensitivity,
        period=_period(chosen, new_since, insights.tz),
        tz=insights.tz,
        failures=failures,
        unreadable=unreadable(insights, chosen, pairs, new_since),
        lacks=insights.lacks,
    )


def _period(filters: Filters, collected_since: datetime | None, tz: str) -> str:
    collected = f"collected since {words_of(collected_since, tz)}" if collected_since else ""
    return ", ".join(part for part in (collected, describe(filters, tz)) if part)


def _give_evidence(
    insights: Insights, alerts: list[Alert], filters: Filters, opening: list[str]
) -> list[Failure]:
    """Add first and last event, folders and sample paths to the strongest alerts."""
    failures = []
    strongest = sorted(alerts, key=lambda alert: -alert.score)[:_EVIDENCE_FOR]
    text = sql_of("evidence.sql")
    for rule in RULES:
        wanted = [alert for alert in strongest if alert.rule == rule.name]
        if not wanted:
            continue
        try:
            found = query(
                insights,
                text.replace("{condition}", f"({rule.condition})"),
                filters,
                {
                    "ids": list(range(len(wanted))),
                    "cloud_folders": [alert.cloud_folder for alert in wanted],
                    "first_hours": [int(alert.first_hour.timestamp()) // 3600 for alert in wanted],
                    "last_hours": [int(alert.last_hour.timestamp()) // 3600 for alert in wanted],
                    "opening": opening,
                },
            )
        except InsightsError as error:
            failures.append(Failure.of(f"evidence of {rule.name}", error))
            continue
        for row in found.to_pylist():
            alert = wanted[row["id"]]
            alert.first_at, alert.last_at = row["first_at"], row["last_at"]
            alert.folders, alert.sample_paths = row["folders"] or [], row["sample_paths"] or []
    return failures
