"""From hours that fire to incidents: one alert for hours that follow one another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.insights.alerts import Alert
from ctera_insights.insights.detections.rules import BY_NAME, RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

_MERGE_WITHIN_HOURS: Final = 2
_LONGEST_HOURS: Final = 24
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Open:
    """An incident whose end is not known yet."""

    alert: Alert
    first: int
    last: int
    told: bool


def fired(scored: pd.DataFrame, sensitivity: float) -> pd.DataFrame:
    """The hours that fire at a sensitivity."""
    minimum = scored["rule"].map({rule.name: rule.minimum for rule in RULES}).astype(float)
    threshold = scored["rule"].map({rule.name: rule.threshold for rule in RULES}).astype(float)
    return scored[(scored["value"] >= minimum / sensitivity) & (scored["score"] >= threshold / sensitivity)]


def merged(
    hours: pd.DataFrame, wanted: Callable[[str, str | None, int], bool] = lambda *_: True
) -> list[Alert]:
    """The incidents of which an hour is wanted.

    Hours of a rule and a cloud folder that lie at most two hours apart are one incident, wherever a period
    begins: so it keeps its first hour, and its id, however a watch's window slides over it. What goes on for
    a day is told anew each day.
    """
    incidents: list[_Open] = []
    last: _Open | None = None
    rows: Any = hours.sort_values(["rule", "cloud_folder", "hour"]).to_dict("records")
    for row in rows:
        folder = row["cloud_folder"] if isinstance(row["cloud_folder"], str) else None
        hour = int(row["hour"])
        if (
            last is not None
            and (last.alert.rule, last.alert.cloud_folder) == (row["rule"], folder)
            and hour - last.last <= _MERGE_WITHIN_HOURS
            and hour - last.first < _LONGEST_HOURS
        ):
            last.last = hour
            last.alert.extend(_start(hour), int(row["value"]), float(row["expected"]), float(row["score"]))
        else:
            last = _Open(_alert(row, folder), hour, hour, told=False)
            incidents.append(last)
        last.told |= wanted(row["rule"], folder, hour)
    return [incident.alert for incident in incidents if incident.told]


def _alert(row: dict[str, Any], folder: str | None) -> Alert:
    rule = BY_NAME[row["rule"]]
    start = _start(int(row["hour"]))
    return Alert(
        rule=rule.name,
        title=rule.title,
        meaning=rule.meaning,
        unit=rule.unit,
        cloud_folder=folder,
        first_hour=start,
        last_hour=start,
        value=int(row["value"]),
        expected=float(row["expected"]),
        score=float(row["score"]),
    )


def _start(hour: int) -> datetime:
    return _EPOCH + timedelta(hours=hour)
