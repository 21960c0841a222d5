"""Alerts: what was found, told as text, as JSON, as a frame."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ctera_insights.errors import EXIT_ALERT, EXIT_DONE
from ctera_insights.insights.filters import zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


@dataclass(slots=True)
class Alert:
    """One thing that looks like an incident.

    Attributes:
        rule: name of the rule.
        title: the rule in words.
        meaning: what may be behind it.
        unit: of ``value`` and ``expected``.
        cloud_folder: where; ``None`` where the name is unknown.
        first_hour: start of the first hour that fired, UTC.
        last_hour: start of the last.
        value: what the rule counted in all hours that fired.
        expected: what is usual in the most unusual of them.
        score: robust standard deviations above what is usual, at most.
        first_at: first change of the evidence, UTC.
        last_at: last change of the evidence, UTC.
        folders: up to five folders with most of it.
        sample_paths: up to five of the first paths.
    """

    rule: str
    title: str
    meaning: str
    unit: str
    cloud_folder: str | None
    first_hour: datetime
    last_hour: datetime
    value: int
    expected: float
    score: float
    first_at: datetime = field(init=False)
    last_at: datetime = field(init=False)
    folders: list[str] = field(default_factory=list)
    sample_paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Until the evidence tells it to the second.
        self.first_at = self.first_hour
        self.last_at = self.last_hour + timedelta(hours=1)

    @property
    def id(self) -> str:
        """The same for the same incident in every run, so that a receiver can tell repetitions."""
        key = f"{self.rule}\n{self.cloud_folder}\n{self.first_hour.isoformat()}"
        return sha256(key.encode()).hexdigest()[:16]

    def sentence(self, tz: str = "UTC") -> str:
        """The alert in one sentence."""
        start, end = (when.astimezone(zone(tz)) for when in (self.first_at, self.last_at))
        until = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%Y-%m-%d %H:%M}"
        where = self.cloud_folder or "a cloud folder of unknown name"
        return (
            f"{self.title} in {where}: {self.amount(self.value)} from {start:%Y-%m-%d %H:%M} "
            f"to {until} {tz}, where {self.amount(self.expected)} an hour is usual"
        )

    def amount(self, value: float) -> str:
        """A number of the alert's unit in words."""
        if self.unit == "bytes":
            from ctera_insights.insights.charts.style import bytes_in_words

            return bytes_in_words(value)
        words = self.unit.replace("(s)", "" if value == 1 else "s")
        return f"{value:,.0f} {words}"

    def as_dict(self) -> dict[str, Any]:
        """The alert as JSON values; times in ISO 8601, UTC."""
        return {
            "id": self.id,
            "rule": self.rule,
            "title": self.title,
            "meaning": self.meaning,
            "cloud_folder": self.cloud_folder,
            "first_at": self.first_at.astimezone(UTC).isoformat(),
            "last_at": self.last_at.astimezone(UTC).isoformat(),
            "value": self.value,
            "unit": self.unit,
            "expected_per_hour": self.expected,
            "score": round(self.score, 2),
            "folders": self.folders,
            "sample_paths": self.sample_paths,
        }


class Alerts:
    """What fired, earliest first; empty when all is quiet.

    Example:
        >>> quiet = Alerts([], sensitivity=1.0)
        >>> bool(quiet), quiet.exit_code
        (False, 0)
    """

    def __init__(self, alerts: list[Alert], *, sensitivity: float, period: str = "", tz: str = "UTC") -> None:
        self._alerts = alerts
        self.sensitivity = sensitivity
        self.period = period
        self.tz = tz

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._alerts)

    def __len__(self) -> int:
        return len(self._alerts)

    def __getitem__(self, index: int) -> Alert:
        return self._alerts[index]

    @property
    def exit_code(self) -> int:
        """``EXIT_ALERT`` when something fired, else 0."""
        return EXIT_ALERT if self._alerts else EXIT_DONE

    def subject(self) -> str:
        """One line, as the subject of a mail."""
        if not self._alerts:
            return "ctera-insights: no alerts"
        where = sorted({alert.cloud_folder or "unknown" for alert in self._alerts})
        count = f"{len(self)} alert{'s' if len(self) > 1 else ''}"
        return f"ctera-insights: {count} in {', '.join(where[:3])}{' and others' if len(where) > 3 else ''}"

    def text(self) -> str:
        """What fired and on what evidence, as plain text fit for a mail."""
        lines = [
            self.subject(),
            f"sensitivity {self.sensitivity:g}" + (f", {self.period}" if self.period else ""),
        ]
        for number, alert in enumerate(self._alerts, 1):
            lines += ["", f"{number}. {alert.sentence(self.tz)}."]
            lines.append(
                f"   It may be that {alert.meaning}; it lies {alert.score:.0f} robust deviations above usual."
            )
            lines += [f"   in    {_one_line(folder)}" for folder in alert.folders[:3]]
            lines += [f"   such as {_one_line(path)}" for path in alert.sample_paths[:3]]
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON values: what the webhook sends."""
        return {
            "subject": self.subject(),
            "sensitivity": self.sensitivity,
            "period": self.period,
            "text": self.text(),
            "alerts": [alert.as_dict() for alert in self._alerts],
        }

    def to_json(self) -> str:
        """Everything as one JSON document."""
        return json.dumps(self.as_dict(), ensure_ascii=False, indent=2)

    def df(self) -> pd.DataFrame:
        """One row an alert."""
        import pandas as pd

        rows = [alert.as_dict() for alert in self._alerts]
        columns = list(Alert("", "", "", "", "", datetime.now(UTC), datetime.now(UTC), 0, 0, 0).as_dict())
        frame = pd.DataFrame(rows, columns=columns)
        for name in ("first_at", "last_at"):
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
        return frame

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from html import escape

        if not self._alerts:
            return "<p><b>No alerts</b></p>"
        items = "".join(
            f"<li><b>{escape(alert.sentence(self.tz))}</b><br>{escape(alert.meaning)}<br>"
            + "<br>".join(f"<code>{escape(_one_line(path))}</code>" for path in alert.sample_paths[:3])
            + "</li>"
            for alert in self._alerts
        )
        return f"<p><b>{escape(self.subject())}</b></p><ol>{items}</ol>"


def _one_line(path: str) -> str:
    """A path on one line: what is not printable cannot forge a line of the mail."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in path)
