"""What is selected: a state that travels to the page and back, and the SQL that it stands for."""

# ruff: noqa: RUF001 # dashes between the ends of ranges, as people read them

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypedDict
from zoneinfo import ZoneInfo

from ctera_insights.activity.relations import literal
from ctera_insights.errors import UsageError
from ctera_insights.insights import Filters
from ctera_insights.insights.filters import moment
from ctera_insights.platforms import from_seconds
from ctera_insights.text import to_minutes, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ctera_insights.insights.filters import When

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CHANGES: Final = "phase = 'live' AND op <> 'unchanged'"
WITH_INVENTORY: Final = "op <> 'unchanged'"


class SelectArgs(TypedDict, total=False):
    """The filters that :meth:`Explorer.select` sets."""

    since: When | None
    until: When | None
    cloud_folder: str | Iterable[str | None] | None
    path: str | None
    op: str | Iterable[str] | None
    extension: str | Iterable[str | None] | None
    text: str | None
    weekdays: int | tuple[int, int] | None
    hours: int | tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Selection:
    """The filters of an explorer.

    Attributes:
        since: first moment, milliseconds since 1970, or ``None``.
        until: end of the time range (not part of it), likewise.
        domain: the time range that the timeline is zoomed to, as a pair, or ``None`` for all of it.
        cloud_folder: any of these; ``None`` in it stands for an unknown cloud folder.
        folder: the path of the folder that is open; everything below it is selected.
        op: any of these operations.
        extension: any of these; ``""`` is a file without one, ``None`` a folder.
        text: must occur in the path or in the old path, in any case of letters.
        weekdays: first and last weekday, 0 is Monday.
        hours: first and last hour of the day.
    """

    since: int | None = None
    until: int | None = None
    domain: tuple[int, int] | None = None
    cloud_folder: tuple[str | None, ...] = ()
    folder: str = ""
    op: tuple[str, ...] = ()
    extension: tuple[str | None, ...] = ()
    text: str = ""
    weekdays: tuple[int, int] | None = None
    hours: tuple[int, int] | None = None

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Selection:
        """Read the state that the page sends.

        Raises:
            UsageError: it holds something else than it should.
        """
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in state.items()
            if name in known
        }
        for name, value in values.items():
            if not _SHAPES[name](value):
                raise UsageError(f"The page sent {value!r} as {name}")
        selection = cls(**values)
        for name, most in (("weekdays", 6), ("hours", 23)):
            pair = getattr(selection, name)
            if pair is not None and not (len(pair) == 2 and 0 <= pair[0] <= pair[1] <= most):
                raise UsageError(f"{name} is a pair (first, last) between 0 and {most}, not {pair!r}")
        return selection

    def state(self) -> dict[str, Any]:
        """The state for the page: plain JSON values."""
        plain: dict[str, Any] = json.loads(json.dumps({f.name: getattr(self, f.name) for f in fields(self)}))
        return plain

    def narrowed(self, changes: dict[str, Any], tz: str) -> Selection:
        """This selection with some filters set anew, each checked; see :meth:`Explorer.select`."""
        times = {name: changes.pop(name) for name in ("since", "until") if name in changes}
        new: dict[str, Any] = {
            name: None if when is None else _ms(moment(when, tz)) for name, when in times.items()
        }
        if times:
            new["domain"] = None
        if "path" in changes:
            new["folder"] = (changes.pop("path") or "").strip("/")
        if "text" in changes:
            new["text"] = changes.pop("text") or ""
        for name in ("weekdays", "hours"):
            if name in changes:
                pair = changes.pop(name)
                new[name] = None if pair is None else (pair, pair) if isinstance(pair, int) else tuple(pair)
        for name in ("cloud_folder", "op", "extension"):
            if name in changes:
                given = changes.pop(name)
                new[name] = _texts(given, lower=name == "extension")
        if changes:
            raise UsageError(f"There is no filter {', '.join(changes)}; there are {', '.join(FILTERS)}")
        Filters.of(op=new.get("op") or None)  # names the operations when one is misspelt
        chosen = replace(self, **new)
        low, high = chosen.bounds()
        if low is not None and high is not None and low >= high:
            raise UsageError(f"Nothing lies between since={_iso(low)} and until={_iso(high)}")
        return Selection.from_state(chosen.state())

    def filters(self) -> Filters:
        """The names among the filters, as an analysis takes them; unknown ones left out."""
        return Filters.of(
            cloud_folder=[name for name in self.cloud_folder if name is not None] or None,
            path=self.folder,
            extension=[name for name in self.extension if name is not None] or None,
        )

    def bounds(self) -> tuple[int | None, int | None]:
        """The time range in milliseconds since 1970, the zoom included."""
        low, high = self.domain or (None, None)
        return self.since if self.since is not None else low, self.until if self.until is not None else high

    def without_times(self) -> Selection:
        """The same without the brushed time range."""
        return replace(self, since=None, until=None)

    def words(self, tz: str) -> list[str]:
        """Each filter in words, as the page's chips show them."""
        low, high = self.bounds()
        words = [
            f"{name} {to_minutes(from_seconds(ms / 1000, ZoneInfo(tz)))}"
            for name, ms in (("since", low), ("until", high))
            if ms is not None
        ]
        words += [f"in {self.folder}"] if self.folder else []
        words += [f"path contains “{self.text}”"] if self.text else []
        words += [", ".join(self.op)] if self.op else []
        words += [", ".join(map(extension_label, self.extension))] if self.extension else []
        words += [", ".join(c or "(unknown)" for c in self.cloud_folder)] if self.cloud_folder else []
        if self.weekdays:
            words.append("–".join(dict.fromkeys(WEEKDAYS[day] for day in self.weekdays)))
        if self.hours:
            words.append(f"{self.hours[0]:02}:00–{self.hours[1] + 1:02}:00")
        return [visible(word) for word in words]

    def where(self, tz: str, scope: str = CHANGES) -> str:
        """The SQL condition over the view ``activity``."""
        low, high = self.bounds()
        conditions = [scope]
        if low is not None:
            conditions.append(f"\"at\" >= TIMESTAMPTZ '{_iso(low)}'")
        if high is not None:
            conditions.append(f"\"at\" < TIMESTAMPTZ '{_iso(high)}'")
        if self.weekdays:
            first, last = self.weekdays
            conditions.append(f"isodow(\"at\" AT TIME ZONE '{tz}') BETWEEN {first + 1} AND {last + 1}")
        if self.hours:
            first, last = self.hours
            conditions.append(f"hour(\"at\" AT TIME ZONE '{tz}') BETWEEN {first} AND {last}")
        conditions += [
            any_of(name, values)
            for name in ("cloud_folder", "op", "extension")
            if (values := getattr(self, name))
        ]
        if self.folder:
            conditions.append(
                f"(path = {literal(self.folder)} OR starts_with(path, {literal(self.folder + '/')}))"
            )
        if self.text:
            conditions.append(contains(self.text))
        return " AND ".join(conditions)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_pair(value: object) -> bool:
    return value is None or (isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value)))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(each is None or isinstance(each, str) for each in value)


_SHAPES: Final[dict[str, Callable[[Any], bool]]] = {
    "since": lambda value: value is None or _is_number(value),
    "until": lambda value: value is None or _is_number(value),
    "domain": _is_pair,
    "weekdays": _is_pair,
    "hours": _is_pair,
    "cloud_folder": _are_texts,
    "op": _are_texts,
    "extension": _are_texts,
    "folder": _is_text,
    "text": _is_text,
}
"""What each filter may be, as the page sends it: nothing else reaches the SQL."""


FILTERS: Final = (
    "since",
    "until",
    "cloud_folder",
    "path",
    "op",
    "extension",
    "text",
    "weekdays",
    "hours",
)


def contains(text: str) -> str:
    """The SQL condition of a search on the path."""
    wanted = literal(text.lower())
    return f"(contains(lower(path), {wanted}) OR contains(lower(old_path), {wanted}))"


def any_of(column: str, values: Iterable[str | None]) -> str:
    """The SQL condition that a column holds any of some values, null among them."""
    texts = [literal(value) for value in values if value is not None]
    parts = [f"{column} IN ({', '.join(texts)})"] if texts else []
    if None in values:
        parts.append(f"{column} IS NULL")
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def extension_label(value: str | None) -> str:
    """An extension as it is shown."""
    return "(folder)" if value is None else f".{visible(value)}" if value else "(none)"


def _texts(given: str | Iterable[str | None] | None, *, lower: bool) -> tuple[str | None, ...]:
    values = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    if not lower:
        return values
    return tuple(v if v is None else v.removeprefix(".").lower() for v in values)


def _ms(when: datetime | None) -> int | None:
    return None if when is None else round(when.timestamp() * 1000)


def _iso(ms: int) -> str:
    return from_seconds(ms / 1000).isoformat(sep=" ")
