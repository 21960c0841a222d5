"""The named analyses as methods; :class:`ctera_insights.insights.Insights` is made of them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, Unpack

from ctera_insights.insights.analysis import analyses
from ctera_insights.insights.filters import FilterArgs, When

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctera_insights.insights.result import Result

_P = ParamSpec("_P")
_Self = TypeVar("_Self", bound="Questions")


def _documented(
    method: Callable[Concatenate[_Self, _P], Result],
) -> Callable[Concatenate[_Self, _P], Result]:
    """Give a method the header of its analysis as docstring, and its filters as visible arguments."""
    signature = inspect.signature(method)
    filters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name in FilterArgs.__annotations__
    ]
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]

    method.__doc__ = analyses()[method.__name__].doc()
    shown = signature.replace(parameters=[*own, *filters])
    method.__signature__ = shown  # type: ignore[attr-defined]  # what help() and Jupyter show, PEP 362
    return method


class Questions:
    """Every named analysis as a method that returns a lazy :class:`~ctera_insights.insights.Result`."""

    def ask(
        self, name: str, parameters: dict[str, Any] | None = None, **filters: Unpack[FilterArgs]
    ) -> Result:
        """Answer an analysis by its name; see :func:`ctera_insights.insights.analyses`."""
        raise NotImplementedError

    @_documented
    def overview(self, **filters: Unpack[FilterArgs]) -> Result:
        """See ``overview.sql``."""
        return self.ask("overview", {}, **filters)

    @_documented
    def operations(self, **filters: Unpack[FilterArgs]) -> Result:
        """See ``operations.sql``."""
        return self.ask("operations", {}, **filters)

    @_documented
    def activity_over_time(
        self,
        *,
        every: str | None = None,
        by: str = "op",
        tz: str | None = None,
        **filters: Unpack[FilterArgs],
    ) -> Result:
        """See ``activity_over_time.sql``."""
        return self.ask("activity_over_time", {"every": every, "by": by, "tz": tz}, **filters)

    @_documented
    def heatmap(self, *, tz: str | None = None, **filters: Unpack[FilterArgs]) -> Result:
        """See ``heatmap.sql``."""
        return self.ask("heatmap", {"tz": tz}, **filters)

    @_documented
    def hot_folders(
        self, *, level: int | None = None, limit: int = 20, **filters: Unpack[FilterArgs]
    ) -> Result:
        """See ``hot_folders.sql``."""
        return self.ask("hot_folders", {"level": level, "limit": limit}, **filters)

    @_documented
    def hot_files(self, *, limit: int = 20, **filters: Unpack[FilterArgs]) -> Result:
        """See ``hot_files.sql``."""
        return self.ask("hot_files", {"limit": limit}, **filters)

    @_documented
    def growth(
        self, *, every: str | None = None, tz: str | None = None, **filters: Unpack[FilterArgs]
    ) -> Result:
        """See ``growth.sql``."""
        return self.ask("growth", {"every": every, "tz": tz}, **filters)

    @_documented
    def fastest_growing_folders(
        self, *, level: int | None = None, limit: int = 20, **filters: Unpack[FilterArgs]
    ) -> Result:
        """See ``fastest_growing_folders.sql``."""
        return self.ask("fastest_growing_folders", {"level": level, "limit": limit}, **filters)

    @_documented
    def size_distribution(self, **filters: Unpack[FilterArgs]) -> Result:
        """See ``size_distribution.sql``."""
        return self.ask("size_distribution", {}, **filters)

    @_documented
    def age_distribution(self, *, as_of: When | None = None, **filters: Unpack[FilterArgs]) -> Result:
        """See ``age_distribution.sql``."""
        return self.ask("age_distribution", {"as_of": as_of}, **filters)

    @_documented
    def temperature(
        self,
        *,
        hot_days: float = 7,
        warm_days: float = 30,
        as_of: When | None = None,
        **filters: Unpack[FilterArgs],
    ) -> Result:
        """See ``temperature.sql``."""
        return self.ask(
            "temperature", {"hot_days": hot_days, "warm_days": warm_days, "as_of": as_of}, **filters
        )

    @_documented
    def stale_folders(
        self,
        *,
        stale_days: float = 365,
        level: int | None = None,
        limit: int = 20,
        as_of: When | None = None,
        **filters: Unpack[FilterArgs],
    ) -> Result:
        """See ``stale_folders.sql``."""
        return self.ask(
            "stale_folders",
            {"stale_days": stale_days, "level": level, "limit": limit, "as_of": as_of},
            **filters,
        )

    @_documented
    def file_types(self, *, limit: int = 20, **filters: Unpack[FilterArgs]) -> Result:
        """See ``file_types.sql``."""
        return self.ask("file_types", {"limit": limit}, **filters)

    @_documented
    def file_type_drift(
        self,
        *,
        every: str | None = None,
        limit: int = 7,
        tz: str | None = None,
        **filters: Unpack[FilterArgs],
    ) -> Result:
        """See ``file_type_drift.sql``."""
        return self.ask("file_type_drift", {"every": every, "limit": limit, "tz": tz}, **filters)

    @_documented
    def largest_files(self, *, limit: int = 20, **filters: Unpack[FilterArgs]) -> Result:
        """See ``largest_files.sql``."""
        return self.ask("largest_files", {"limit": limit}, **filters)

    @_documented
    def duplicates(self, *, min_bytes: int = 1, limit: int = 20, **filters: Unpack[FilterArgs]) -> Result:
        """See ``duplicates.sql``."""
        return self.ask("duplicates", {"min_bytes": min_bytes, "limit": limit}, **filters)

    @_documented
    def moves(self, *, level: int | None = None, limit: int = 20, **filters: Unpack[FilterArgs]) -> Result:
        """See ``moves.sql``."""
        return self.ask("moves", {"level": level, "limit": limit}, **filters)

    @_documented
    def restores(self, *, limit: int = 1000, **filters: Unpack[FilterArgs]) -> Result:
        """See ``restores.sql``."""
        return self.ask("restores", {"limit": limit}, **filters)

    @_documented
    def permission_changes(self, *, limit: int = 1000, **filters: Unpack[FilterArgs]) -> Result:
        """See ``permission_changes.sql``."""
        return self.ask("permission_changes", {"limit": limit}, **filters)

    @_documented
    def path_history(self, of_path: str, **filters: Unpack[FilterArgs]) -> Result:
        """See ``path_history.sql``."""
        return self.ask("path_history", {"of_path": of_path}, **filters)

    @_documented
    def feed_health(self, *, as_of: When | None = None, **filters: Unpack[FilterArgs]) -> Result:
        """See ``feed_health.sql``."""
        return self.ask("feed_health", {"as_of": as_of}, **filters)

    @_documented
    def feed_lag(
        self, *, every: str | None = None, tz: str | None = None, **filters: Unpack[FilterArgs]
    ) -> Result:
        """See ``feed_lag.sql``."""
        return self.ask("feed_lag", {"every": every, "tz": tz}, **filters)
