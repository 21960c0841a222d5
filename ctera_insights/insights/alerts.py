"""Alerts: what was found, and what could not be looked for, told as text, as JSON, as a frame."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Self

from ctera_insights.errors import EXIT_ALERT, EXIT_DONE, EXIT_FAILED
from ctera_insights.insights.charts.style import bytes_in_words, shortened
from ctera_insights.insights.filters import zone
from ctera_insights.text import to_minutes, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd


_NAME_WIDTH: Final = 60


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

    def extend(self, hour: datetime, value: int, expected: float, score: float) -> None:
        """Let a later hour that fired belong to the same incident."""
        self.last_hour, self.last_at = hour, hour + timedelta(hours=1)
        self.value += value
        if score > self.score:
            self.score, self.expected = score, expected

    @property
    def id(self) -> str:
        """The same for the same incident in every run, so that a receiver can tell repetitions."""
        key = f"{self.rule}\n{self.cloud_folder}\n{self.first_hour.isoformat()}"
        return sha256(key.encode()).hexdigest()[:16]

    def sentence(self, tz: str = "UTC") -> str:
        """The alert in one sentence."""
        start, end = (when.astimezone(zone(tz)) for when in (self.first_at, self.last_at))
        until = f"{end:%H:%M}" if end.date() == start.date() else to_minutes(end)
        where = self.cloud_folder or "a cloud folder of unknown name"
        return (
            f"{self.title} in {where}: {self.amount(self.value)} from {to_minutes(start)} "
            f"to {until} {tz}, where {self.amount(self.expected)} an hour is usual"
        )

    def amount(self, value: float) -> str:
        """A number of the alert's unit in words."""
        if self.unit == "bytes":
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


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be looked for: a rule, or the evidence of one, and why."""

    rule: str
    reason: str

    @classmethod
    def of(cls, rule: str, error: Exception) -> Self:
        """The failure that an error is."""
        reason = str(error).strip() or type(error).__name__
        return cls(rule, reason.splitlines()[0])

    def __str__(self) -> str:
        return f"{self.rule} failed: {self.reason}"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Changes of permissions whose descriptors nobody can read: they may open something, or not."""

    changes: int
    sample_paths: list[str]
    reason: str
    """What is wrong with the last of them."""

    def __str__(self) -> str:
        changes = f"{self.changes:,} change{'s' if self.changes > 1 else ''}"
        return f"{changes} of permissions could not be read: {self.reason}"


class Alerts:
    """What fired, earliest first; empty when nothing did.

    Attributes:
        sensitivity: that was asked for.
        period: the filters in words.
        tz: time zone of the text.
        failures: rules that could not run. Nothing is known of what they look for.
        unreadable: changes of permissions that could not be read, or ``None``.
        lacks: what was collected and could not be looked at, in a sentence; empty when all was.

    Example:
        >>> quiet = Alerts([], sensitivity=1.0)
        >>> bool(quiet), quiet.exit_code
        (False, 0)
    """

    def __init__(
        self,
        alerts: list[Alert],
        *,
        sensitivity: float,
        period: str = "",
        tz: str = "UTC",
        failures: Sequence[Failure] = (),
        unreadable: Unreadable | None = None,
        lacks: str = "",
    ) -> None:
        self._alerts = alerts
        self.sensitivity = sensitivity
        self.period = period
        self.tz = tz
        self.failures = tuple(failures)
        self.unreadable = unreadable
        self.lacks = lacks

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._alerts)

    def __len__(self) -> int:
        return len(self._alerts)

    def __getitem__(self, index: int) -> Alert:
        return self._alerts[index]

    @property
    def exit_code(self) -> int:
        """``EXIT_ALERT`` when something fired, ``EXIT_FAILED`` when not all was looked at, else 0."""
        return EXIT_ALERT if self._alerts else EXIT_FAILED if self.failures or self.lacks else EXIT_DONE

    @property
    def quiet(self) -> bool:
        """Nothing fired, every rule ran, over everything that was collected, and could read it."""
        return not (self._alerts or self.failures or self.unreadable or self.lacks)

    def subject(self) -> str:
        """One line, as the subject of a mail."""
        words = [f"{len(self)} alert{'s' if len(self) > 1 else ''}" if self._alerts else "no alerts"]
        if self._alerts:
            where = sorted({alert.cloud_folder or "unknown" for alert in self._alerts})
            names = ", ".join(shortened(name, _NAME_WIDTH) for name in where[:3])
            words[0] += f" in {names}{' and others' if len(where) > 3 else ''}"
        if self.failures:
            words.append(f"{len(self.failures)} rule{'s' if len(self.failures) > 1 else ''} failed")
        if self.unreadable:
            words.append("permissions that could not be read")
        if self.lacks:
            words.append("not everything was looked at")
        return f"ctera-insights: {', '.join(words)}"

    def text(self) -> str:
        """What fired and on what evidence, as plain text fit for a mail."""
        parts = [self.heading()]
        parts += [self.paragraph(number, alert) for number, alert in enumerate(self._alerts, 1)]
        return "\n\n".join([*parts, *self.troubles()]) + "\n"

    def heading(self) -> str:
        """What the text begins with."""
        period = f", {visible(self.period)}" if self.period else ""
        return f"{self.subject()}\nsensitivity {self.sensitivity:g}{period}"

    def paragraph(self, number: int, alert: Alert) -> str:
        """What the text says of one alert."""
        lines = [
            f"{number}. {visible(alert.sentence(self.tz))}.",
            f"   It may be that {alert.meaning}; it lies {alert.score:.0f} robust deviations above usual.",
        ]
        lines += [f"   in    {visible(folder)}" for folder in alert.folders[:3]]
        lines += [f"   such as {visible(path)}" for path in alert.sample_paths[:3]]
        return "\n".join(lines)

    def troubles(self) -> list[str]:
        """What could not be looked for, a sentence each."""
        told = [
            f"{visible(str(failure)).rstrip('.!')}. What it looks for is not known."
            for failure in self.failures
        ]
        if self.unreadable:
            paths = ", ".join(visible(path) for path in self.unreadable.sample_paths)
            told.append(f"{visible(str(self.unreadable))} (such as {paths}). Look at them by hand.")
        if self.lacks:
            told.append(
                f"{visible(self.lacks).rstrip('.')}. When they are derived, ask again for that time: an "
                "alert keeps its id."
            )
        return told

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "subject": self.subject(),
            "sensitivity": self.sensitivity,
            "period": self.period,
            "text": self.text(),
            "alerts": [alert.as_dict() for alert in self._alerts],
            "failures": [asdict(failure) for failure in self.failures],
            "unreadable_permissions": asdict(self.unreadable) if self.unreadable else None,
            "lacks": self.lacks or None,
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
            # Microseconds: in nanoseconds there is no year 1.
            times = [getattr(alert, name).astimezone(UTC).replace(tzinfo=None) for alert in self._alerts]
            frame[name] = pd.Series(times, dtype="datetime64[us]").dt.tz_localize(UTC)
        return frame

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from html import escape

        troubles = "".join(f"<p>{escape(text)}</p>" for text in self.troubles())
        if not self._alerts:
            return f"<p><b>{escape(self.subject().partition(': ')[2].capitalize())}</b></p>{troubles}"
        items = "".join(
            f"<li><b>{escape(visible(alert.sentence(self.tz)))}</b><br>{escape(alert.meaning)}<br>"
            + "<br>".join(f"<code>{escape(visible(path))}</code>" for path in alert.sample_paths[:3])
            + "</li>"
            for alert in self._alerts
        )
        return f"<p><b>{escape(self.subject())}</b></p><ol>{items}</ol>{troubles}"
