"""Run the rules over a store: what fires, on what evidence, and what would have fired."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import md5
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Unpack

from ctera_insights.errors import UsageError
from ctera_insights.insights.alerts import Alert, Alerts
from ctera_insights.insights.analysis import parse, with_scopes
from ctera_insights.insights.detections.rules import BY_NAME, RULES
from ctera_insights.insights.filters import FilterArgs, Filters, describe
from ctera_insights.insights.result import Result
from ctera_insights.insights.sddl import difference

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ctera_insights.insights.insights import Insights

SENSITIVITIES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
MOST_SENSITIVE: Final = 8.0
_EVIDENCE_FOR: Final = 100
_MERGE_WITHIN_HOURS: Final = 2
_DAYS_A_MONTH: Final = 30.44


def detect(insights: Insights, *, sensitivity: float = 1.0, **filters: Unpack[FilterArgs]) -> Alerts:
    """Find what looks like an incident.

    Args:
        insights: an opened store.
        sensitivity: 1 is the rules as stated; 2 halves every threshold, 0.5 doubles it. Above 0, at most 8.
        filters: ``since`` and ``until`` choose the hours that may raise an alert; what is usual is learnt
            from all history before each of them.

    Raises:
        UsageError: the sensitivity or a filter is out of range.
    """
    if not 0 < sensitivity <= MOST_SENSITIVE:
        raise UsageError(f"A sensitivity lies above 0 and is at most {MOST_SENSITIVE:g}, not {sensitivity!r}")
    chosen = Filters.of(**filters, tz=insights.tz)
    opening = _openings(insights, chosen)
    incidents = _merged(_fired(_scored(insights, chosen, opening, sensitivity), sensitivity, chosen))
    _give_evidence(insights, incidents, chosen, opening)
    alerts = sorted(incidents, key=lambda alert: (alert.first_at, alert.rule, alert.cloud_folder or ""))
    return Alerts(alerts, sensitivity=sensitivity, period=describe(chosen, insights.tz), tz=insights.tz)


def preview(insights: Insights, **filters: Unpack[FilterArgs]) -> Result:
    """How many alerts a month each sensitivity would have raised on the store's own history.

    Columns: ``rule``, ``sensitivity``, ``least_value`` (the least that raises an alert in an hour),
    ``least_score``, ``alerts`` (in the whole history), ``alerts_per_month`` and ``months`` (of history).
    """
    import pyarrow as pa

    chosen = Filters.of(**filters, tz=insights.tz)
    scored = _scored(insights, chosen, _openings(insights, chosen), max(SENSITIVITIES))
    months = _months(insights, chosen)
    rows = []
    for rule in RULES:
        for sensitivity in SENSITIVITIES:
            fired = _fired(scored[scored["rule"] == rule.name], sensitivity, chosen)
            alerts = len(_merged(fired))
            rows.append(
                {
                    "rule": rule.name,
                    "sensitivity": sensitivity,
                    "least_value": rule.minimum / sensitivity,
                    "least_score": rule.threshold / sensitivity,
                    "alerts": alerts,
                    "alerts_per_month": alerts / months,
                    "months": months,
                }
            )
    table = pa.Table.from_pylist(rows)
    stated = parse("alerts_preview", _text("preview.sql"))
    return Result(
        insights.connection,
        stated.sql,
        {},
        title=stated.title,
        note=describe(chosen, insights.tz),
        analysis=stated,
        finish=lambda _: table,
    )


def _sql(name: str) -> str:
    """One of this folder's queries, without its header."""
    return parse(name, _text(name)).sql


def _text(name: str) -> str:
    return (resources.files("ctera_insights.insights.detections") / name).read_text(encoding="utf-8")


def _query(insights: Insights, text: str, filters: Filters, parameters: dict[str, Any]) -> pa.Table:
    """Run one of this folder's queries; its scopes see all history up to ``until``."""
    statement, bound = with_scopes(text, filters, parameters)
    return Result(insights.connection, statement, bound).arrow()


def _openings(insights: Insights, filters: Filters) -> list[str]:
    """Keys of the pairs of descriptors between which a broad group gained rights."""
    pairs = _query(
        insights,
        "SELECT DISTINCT acl, old_acl FROM history WHERE phase = 'live' AND acl_changed",
        filters,
        {},
    )
    return [
        md5(f"{new} {old}".encode(), usedforsecurity=False).hexdigest()
        for new, old in zip(pairs["acl"].to_pylist(), pairs["old_acl"].to_pylist(), strict=True)
        if difference(old, new).opened_to
    ]


def _scored(insights: Insights, filters: Filters, opening: list[str], most: float) -> pd.DataFrame:
    """Every hour that a sensitivity of at most ``most`` could call an incident, with its score."""
    import duckdb

    hourly = _query(insights, _sql("hourly.sql"), filters, {"opening": opening})
    with duckdb.connect() as connection:
        connection.register("hourly", hourly)
        scored: pd.DataFrame = connection.sql(
            _sql("scores.sql"),
            params={
                "rules": [rule.name for rule in RULES],
                "minimums": [rule.minimum for rule in RULES],
                "floors": [rule.floor for rule in RULES],
                "most": most,
            },
        ).df()
    return scored


def _fired(scored: pd.DataFrame, sensitivity: float, filters: Filters) -> pd.DataFrame:
    """The hours that fire at a sensitivity, within the filters' time."""
    minimum = scored["rule"].map({rule.name: rule.minimum for rule in RULES}).astype(float)
    threshold = scored["rule"].map({rule.name: rule.threshold for rule in RULES}).astype(float)
    fires = (scored["value"] >= minimum / sensitivity) & (scored["score"] >= threshold / sensitivity)
    if filters.since:
        fires &= scored["hour"] >= int(filters.since.timestamp() // 3600)
    return scored[fires]


def _merged(fired: pd.DataFrame) -> list[Alert]:
    """One alert for hours of a rule and a cloud folder that follow one another."""
    alerts: list[Alert] = []
    last: Alert | None = None
    rows: Any = fired.sort_values(["rule", "cloud_folder", "hour"]).to_dict("records")
    for row in rows:
        folder = row["cloud_folder"] if isinstance(row["cloud_folder"], str) else None
        hour = datetime.fromtimestamp(int(row["hour"]) * 3600, UTC)
        if (
            last is not None
            and (last.rule, last.cloud_folder) == (row["rule"], folder)
            and hour - last.last_hour <= timedelta(hours=_MERGE_WITHIN_HOURS)
        ):
            last.last_hour = hour
            last.value += int(row["value"])
            if row["score"] > last.score:
                last.score, last.expected = float(row["score"]), float(row["expected"])
            continue
        last = Alert(
            rule=row["rule"],
            title=BY_NAME[row["rule"]].title,
            meaning=BY_NAME[row["rule"]].meaning,
            unit=BY_NAME[row["rule"]].unit,
            cloud_folder=folder,
            first_hour=hour,
            last_hour=hour,
            value=int(row["value"]),
            expected=float(row["expected"]),
            score=float(row["score"]),
        )
        alerts.append(last)
    return alerts


def _give_evidence(insights: Insights, alerts: list[Alert], filters: Filters, opening: list[str]) -> None:
    """Add first and last event, folders and sample paths to the strongest alerts."""
    strongest = sorted(alerts, key=lambda alert: -alert.score)[:_EVIDENCE_FOR]
    text = _sql("evidence.sql")
    for rule in RULES:
        wanted = [alert for alert in strongest if alert.rule == rule.name]
        if not wanted:
            continue
        found = _query(
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
        for row in found.to_pylist():
            alert = wanted[row["id"]]
            alert.first_at, alert.last_at = row["first_at"], row["last_at"]
            alert.folders, alert.sample_paths = row["folders"], row["sample_paths"]


def _months(insights: Insights, filters: Filters) -> float:
    """Months of live history that the filters leave, at least a day."""
    statement, bound = with_scopes(
        'SELECT (epoch_us(max("at")) - epoch_us(min("at"))) / 86400e6 AS days FROM changes', filters, {}
    )
    days = Result(insights.connection, statement, bound).arrow()["days"][0].as_py() or 0.0
    return float(max(days, 1.0)) / _DAYS_A_MONTH
