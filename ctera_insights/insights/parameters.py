"""The parameters of an analysis: checked, with what was left out."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from ctera_insights.errors import QueryFailed, UsageError
from ctera_insights.insights.analysis import markers, with_scopes
from ctera_insights.insights.filters import moment, zone
from ctera_insights.insights.questions import Questions
from ctera_insights.insights.result import Result
from ctera_insights.insights.suggest import instead, shown
from ctera_insights.platforms import from_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ctera_insights.insights.analysis import Analysis
    from ctera_insights.insights.filters import Filters
    from ctera_insights.insights.insights import Insights

    _Complete = Callable[[Insights, dict[str, Any], Filters], dict[str, Any]]

_SPLITS: Final = ("op", "cloud_folder", "type", "extension")
# Widths of a timeline's intervals, and their seconds; the first that gives at most _MOST intervals is taken.
_WIDTHS: Final = (
    ("1 minute", 60),
    ("5 minutes", 300),
    ("15 minutes", 900),
    ("1 hour", 3600),
    ("6 hours", 21_600),
    ("1 day", 86_400),
    ("1 week", 604_800),
    ("1 month", 2_629_746),
    ("1 year", 31_556_952),
)
_MOST: Final = 200
_LEAST: Final = {"limit": 1, "level": 1, "min_bytes": 0, "hot_days": 0, "warm_days": 0, "stale_days": 0}
_MOST_INTEGER: Final = 2**63 - 1


def completed(
    insights: Insights, asked: Analysis, given: Mapping[str, Any], filters: Filters
) -> dict[str, Any]:
    """What a query binds: the parameters that its header names, by their markers, each with a value.

    Raises:
        UsageError: a value cannot be.
    """
    values: dict[str, Any] = {**_defaults(asked.name)} | {
        name: plain(value) for name, value in given.items() if value is not None
    }
    for name, least in _LEAST.items():
        if name in asked.parameters:
            _check_number(name, values.get(name), least)
    for marker in markers(asked.sql):
        if complete := _COMPLETE.get(marker):
            values |= complete(insights, values, filters)
    return values


@cache
def _defaults(name: str) -> Mapping[str, Any]:
    """What the method of an analysis takes where nothing is given."""
    method = inspect.unwrap(getattr(Questions, name, Questions.ask))
    parameters = inspect.signature(method).parameters.values()
    return {p.name: p.default for p in parameters if p.default not in (None, inspect.Parameter.empty)}


def _check_number(name: str, value: object, least: int) -> None:
    whole = name in {"limit", "level", "min_bytes"}
    if value is None:
        return
    if not is_number(value, whole=whole) or not least <= value <= _MOST_INTEGER:
        what = "a whole number" if whole else "a number"
        raise UsageError(f"{name} is {what} from {least} on, not {shown(str(value))}")


def plain(value: Any) -> Any:
    """A number, text or time of numpy as Python's own, which DuckDB binds; anything else as it is."""
    of_numpy = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if of_numpy else value


def is_number(value: object, *, whole: bool = False) -> TypeGuard[float]:
    """Whether a value is a number, of Python or numpy; ``True`` is none."""
    value = plain(value)  # a length of time passes for an integer of numpy
    return isinstance(value, Integral if whole else Real) and not isinstance(value, bool)


def _zone(insights: Insights, values: dict[str, Any], _: Filters) -> dict[str, Any]:
    tz = values.get("tz", insights.tz)
    zone(tz)
    return {"tz": tz}


def _split(_: Insights, values: dict[str, Any], __: Filters) -> dict[str, Any]:
    by = str(values.get("by", "op"))
    if by not in _SPLITS:
        raise UsageError(f"Activity splits by {', '.join(_SPLITS)}, not by {shown(by)}{instead(by, _SPLITS)}")
    return {"by": by}


def _interval(insights: Insights, values: dict[str, Any], filters: Filters) -> dict[str, Any]:
    every, seconds = _width(insights, values.get("every"), filters)
    return {"every": every, "grain_s": next(s for s in (900, 60, 1) if seconds % s == 0)}


def _level(_: Insights, values: dict[str, Any], filters: Filters) -> dict[str, Any]:
    below = max((path.count("/") + 1 for path in filters.paths if path), default=0)
    return {"level": values.get("level", below + 1)}


def _as_of(insights: Insights, values: dict[str, Any], _: Filters) -> dict[str, Any]:
    return {"as_of": moment(values.get("as_of"), insights.tz) or _last_known(insights)}


def _as_of_or_now(insights: Insights, values: dict[str, Any], _: Filters) -> dict[str, Any]:
    return {"as_of_or_now": moment(values.get("as_of"), insights.tz) or datetime.now(UTC)}


def _path(_: Insights, values: dict[str, Any], __: Filters) -> dict[str, Any]:
    path = values.get("of_path")
    if not isinstance(path, str) or not path.strip("/"):
        raise UsageError("Whose history? Give of_path, a path such as Projects/Plans/roof.dwg")
    return {"of_path": path.strip("/")}


_COMPLETE: Final[Mapping[str, _Complete]] = {
    "tz": _zone,
    "by": _split,
    "every": _interval,
    "level": _level,
    "level_or_null": lambda _, values, __: {"level_or_null": values.get("level")},
    "since_or_null": lambda _, __, filters: {"since_or_null": filters.since},
    "as_of": _as_of,
    "as_of_or_now": _as_of_or_now,
    "of_path": _path,
}


def _last_known(insights: Insights) -> datetime:
    """The moment of the last change in the store, none that lies in the future; now when it is empty."""
    last_us = _value(insights, 'SELECT epoch_us(least(max("at"), max(collected_at))) FROM activity')
    return datetime.now(UTC) if last_us is None else from_seconds(last_us / 1e6)


def _value(insights: Insights, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The single value that a query gives."""
    answer = Result(insights.connection, sql, parameters or {}, lake=insights.lake).arrow()
    return answer.column(0)[0].as_py()


def _width(insights: Insights, every: str | None, filters: Filters) -> tuple[str, int]:
    """The width of a timeline's intervals and its seconds (a quarter of an hour for more than a week)."""
    if every is not None:
        try:
            seconds = int(
                _value(insights, "SELECT datepart('epoch', CAST($every AS INTERVAL))", {"every": every}) or 0
            )
        except QueryFailed:
            seconds = 0
        if seconds < 1:
            raise UsageError(
                f"{shown(str(every))} is no interval; write one such as '1 hour', '1 day' or '1 month'"
            )
        return every, seconds
    scope, bound = with_scopes(
        'SELECT (epoch_us(max("at")) - epoch_us(min("at"))) // 1000000 FROM changes', filters, {}
    )
    span_s = _value(insights, scope, bound) or 0
    name, seconds = next(((n, s) for n, s in _WIDTHS if span_s / s <= _MOST), _WIDTHS[-1])
    return name, seconds if seconds <= 604_800 else 900
