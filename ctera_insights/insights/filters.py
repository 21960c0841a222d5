"""The filters that every analysis takes, turned into SQL predicates with bound parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypedDict
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ctera_insights.errors import UsageError
from ctera_insights.insights.suggest import closest, instead, shown
from ctera_insights.text import to_minutes

type_ = type
When = str | date | datetime | timedelta
"""A moment: ISO 8601 text, a date or datetime, or how long ago (``"7d"``, ``"36h"``, a timedelta)."""

OPERATIONS: Final = (
    "created",
    "modified",
    "renamed",
    "moved",
    "deleted",
    "restored",
    "acl_changed",
    "unchanged",
)
_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d|w)")
_NOT_EVERYWHERE: Final = re.compile(r"(localtime|Factory|posixrules)$|(posix|right)/")
"""Files beside the zones that DuckDB does not know, or that mean something else on each machine."""
_LONGEST_IN_WORDS: Final = 80
_AGO_UNITS: Final = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class FilterArgs(TypedDict, total=False):
    """The keyword arguments of every analysis; each narrows it, and a list means "any of these".

    ``since`` counts from that moment on, ``until`` up to but without it. ``path`` is a path prefix that ends
    at a folder or file boundary. ``extension`` is written without a dot; ``""`` means no extension.
    """

    since: When | None
    until: When | None
    cloud_folder: str | Iterable[str] | None
    path: str | Iterable[str] | None
    type: str | Iterable[str] | None
    extension: str | Iterable[str] | None
    op: str | Iterable[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """A checked set of filters. Make one with :meth:`of`.

    Example:
        >>> filters = Filters.of(cloud_folder="Projects", extension=[".PDF", "docx"])
        >>> filters.predicate("activity")
        ('cloud_folder IN ($cloud_folder_0) AND extension IN ($extension_0, $extension_1)', \
{'cloud_folder_0': 'Projects', 'extension_0': 'pdf', 'extension_1': 'docx'})
    """

    since: datetime | None = None
    until: datetime | None = None
    cloud_folders: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    ops: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        since: When | None = None,
        until: When | None = None,
        cloud_folder: str | Iterable[str] | None = None,
        path: str | Iterable[str] | None = None,
        type: str | Iterable[str] | None = None,  # noqa: A002  # the column's own name
        extension: str | Iterable[str] | None = None,
        op: str | Iterable[str] | None = None,
        tz: str = "UTC",
    ) -> Filters:
        """Check and normalise filters; ``tz`` is the zone of times that name none.

        Raises:
            UsageError: a time cannot be read, or an operation does not exist.
        """
        ops = _texts("op", op)
        for name in ops:
            if name not in OPERATIONS:
                raise UsageError(f"No operation is called {shown(name)}{instead(name, OPERATIONS)}")
        chosen = cls(
            since=moment(since, tz),
            until=moment(until, tz),
            cloud_folders=_texts("cloud_folder", cloud_folder),
            paths=tuple(p.strip("/") for p in _texts("path", path)),
            types=_texts("type", type),
            extensions=tuple(e.removeprefix(".").lower() for e in _texts("extension", extension)),
            ops=ops,
        )
        if chosen.since and chosen.until and chosen.since >= chosen.until:
            raise UsageError(
                f"Nothing lies between since={chosen.since.isoformat()} and until={chosen.until.isoformat()}"
            )
        return chosen

    def predicate(self, view: str, *, without: Iterable[str] = ()) -> tuple[str, dict[str, str | datetime]]:
        """The SQL condition for a view and its named parameters; ``TRUE`` when nothing is filtered.

        Args:
            view: ``activity`` or ``objects``; the latter has neither times of events nor operations, so
                ``since``, ``until`` and ``op`` do not narrow it.
            without: names of filters to leave out.
        """
        left_out = {*without, *(("since", "until", "op") if view == "objects" else ())}
        conditions: list[str] = []
        parameters: dict[str, str | datetime] = {}
        for name, moment_, comparison in (("since", self.since, ">="), ("until", self.until, "<")):
            if moment_ is not None and name not in left_out:
                conditions.append(f'"at" {comparison} ${name}')
                parameters[name] = moment_
        for name, values in (
            ("cloud_folder", self.cloud_folders),
            ("type", self.types),
            ("extension", self.extensions),
            ("op", self.ops),
        ):
            if values and name not in left_out:
                keys = [f"{name}_{i}" for i in range(len(values))]
                conditions.append(f"{name} IN ({', '.join('$' + key for key in keys)})")
                parameters.update(zip(keys, values, strict=True))
        if self.paths and "path" not in left_out:
            columns = ("path", "old_path") if view == "activity" else ("path",)
            any_of = []
            for i, prefix in enumerate(self.paths):
                parameters[f"path_{i}"] = prefix
                parameters[f"path_{i}_below"] = prefix + "/" if prefix else ""
                any_of += [
                    f"{column} = $path_{i} OR starts_with({column}, $path_{i}_below)" for column in columns
                ]
            conditions.append(f"({' OR '.join(any_of)})")
        return " AND ".join(conditions) or "TRUE", parameters


def moment(when: When | None, tz: str = "UTC") -> datetime | None:
    """A moment in UTC; ``None`` stays ``None``. A time without a zone is taken to be in ``tz``.

    Raises:
        UsageError: the text is neither ISO 8601 nor a length of time such as ``7d``.

    Example:
        >>> moment("2026-03-01", "Europe/Berlin").isoformat()
        '2026-02-28T23:00:00+00:00'
    """
    if when is None:
        return None
    given = when
    when = _time_of(when)
    try:
        if isinstance(when, timedelta):
            return datetime.now(UTC) - when
        if isinstance(when, str):
            if ago := _AGO.fullmatch(when.strip().lower()):
                return datetime.now(UTC) - timedelta(**{_AGO_UNITS[ago[2]]: float(ago[1])})
            try:
                when = datetime.fromisoformat(when.strip())
            except ValueError:
                raise UsageError(
                    f"{shown(str(given))} is not a time; write 2026-03-01, 2026-03-01T08:00+01:00, "
                    "or how long ago: 7d, 36h"
                ) from None
        if not isinstance(when, datetime):
            when = datetime.combine(when, time())
        if when.tzinfo is None:
            when = when.replace(tzinfo=zone(tz))
        # A pandas Timestamp is a datetime too; a plain one binds as a parameter everywhere.
        utc = when.astimezone(UTC)
        return datetime(
            utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=UTC
        )
    except OverflowError:
        raise UsageError(f"{shown(str(given))} lies outside the years 1 to 9999") from None


def _time_of(given: Any) -> str | date | timedelta:
    """What was given, if it can be a time at all."""
    when = given
    if type_(given).__module__ == "numpy" and hasattr(given, "astype"):
        with suppress(TypeError, ValueError, OverflowError):
            when = given.astype(f"{given.dtype.name.partition('[')[0]}[us]").item()
    # NaT, a time that is none, passes for a datetime.
    if not isinstance(when, (str, date, timedelta)) or when != when:  # noqa: PLR0124
        raise UsageError(
            f"{type_(given).__name__} {shown(str(given))} is no time: give a text such as 2026-03-01 or 7d, "
            "a date, a datetime or a timedelta"
        )
    return when


def is_age(when: object) -> bool:
    """Whether a moment is given as how long ago it was: ``"36h"``, a timedelta.

    Example:
        >>> is_age("36h"), is_age("2026-03-01")
        (True, False)
    """
    return isinstance(when, timedelta) or (
        isinstance(when, str) and _AGO.fullmatch(when.strip().lower()) is not None
    )


def zone(tz: str) -> ZoneInfo:
    """The time zone of a name such as ``Europe/Berlin``.

    Raises:
        UsageError: there is no such zone.
    """
    if not isinstance(tz, str):
        raise UsageError(f"A time zone is given by its name, such as Europe/Berlin, not as {tz!r}")
    try:
        return ZoneInfo("" if _NOT_EVERYWHERE.match(tz) else tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = closest(tz, available_timezones())
        write = f"did you mean {' or '.join(close)}?" if close else "write one such as UTC or Europe/Berlin"
        raise UsageError(f"No time zone is called {shown(tz)}; {write}") from None


def _texts(name: str, given: str | Iterable[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    values = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    if not values:
        raise UsageError(f"{name} is an empty list, which nothing would pass; leave {name} out to see all")
    for value in values:
        if not isinstance(value, str):
            raise UsageError(f"{name} takes text or a list of texts, not {type_(value).__name__}: {value!r}")
    return values


def describe(filters: Filters, tz: str = "UTC") -> str:
    """The filters in words, for captions, with times in ``tz``; an empty text when nothing is filtered."""
    parts = [
        f"{name} {words_of(when, tz)}"
        for name, when in (("since", filters.since), ("until", filters.until))
        if when
    ]
    for name, values in (
        ("cloud folder", filters.cloud_folders),
        ("below", filters.paths),
        ("type", filters.types),
        ("extension", filters.extensions),
        ("operation", filters.ops),
    ):
        if values:
            first = ", ".join(_one_line(value) for value in values[:3])
            parts.append(f"{name} {first}{f' and {len(values) - 3} more' if len(values) > 3 else ''}")
    return ", ".join(parts)


def words_of(when: datetime, tz: str) -> str:
    """A moment to the minute, with its zone."""
    try:
        return f"{to_minutes(when.astimezone(zone(tz)))} {tz}"
    except OverflowError:  # at the ends of the calendar
        return f"{to_minutes(when)} UTC"


def _one_line(text: str) -> str:
    from ctera_insights.insights.charts.style import shortened

    return shortened(text, _LONGEST_IN_WORDS)
