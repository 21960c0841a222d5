"""``Insights``: a collected store, opened for questions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from ctera_insights.errors import UsageError
from ctera_insights.insights.analysis import analysis, markers, with_scopes
from ctera_insights.insights.filters import FilterArgs, Filters, describe, moment, zone
from ctera_insights.insights.permissions import explained
from ctera_insights.insights.questions import Questions
from ctera_insights.insights.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import duckdb

    from ctera_insights.insights.alerts import Alerts
    from ctera_insights.lake import Lake
    from ctera_insights.widgets.explorer import Explorer
    from ctera_insights.widgets.live import LiveView

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


class Insights(Questions):
    """A collected store, opened for questions in Python, pandas and SQL.

    Every analysis is a method, takes the same filters, and returns a lazy
    :class:`~ctera_insights.insights.Result`. Live activity and the inventory are kept apart: an analysis of
    change counts live changes only.

    Args:
        store: path or URL of a store, a :class:`~ctera_insights.lake.Lake`, or a DuckDB connection that has
        the
            views already.
        tz: time zone of local times in answers and of times given without a zone, such as ``Europe/Berlin``.

    Example:
        >>> with Insights("data") as insights:                          # doctest: +SKIP
        ...     insights.hot_folders(since="7d").df()
    """

    def __init__(self, store: str | Path | Lake | duckdb.DuckDBPyConnection, *, tz: str = "UTC") -> None:
        import duckdb

        zone(tz)
        self.tz = tz
        self._name = "a DuckDB connection" if isinstance(store, duckdb.DuckDBPyConnection) else str(store)
        self.lake: Lake | None = None
        if isinstance(store, duckdb.DuckDBPyConnection):
            self.connection = store
            self.connection.execute("SET TimeZone = 'UTC'")
        else:
            from ctera_insights.insights.views import connect
            from ctera_insights.lake import Lake

            self.lake = store if isinstance(store, Lake) else Lake(store)
            self.connection = connect(self.lake)

    def __repr__(self) -> str:
        return f"<Insights into {self._name}, times in {self.tz}>"

    def explore(self, *, inventory: bool = False) -> Explorer:
        """A widget to brush, drill into and search the activity; every view filters all others.

        Args:
            inventory: show the inventory beside the changes.
        """
        from ctera_insights.widgets.explorer import explore

        return explore(self, inventory=inventory)

    def live(self) -> LiveView:
        """A widget that follows the store while another process writes it.

        Raises:
            UsageError: these insights stand on a connection, not on a store.
        """
        from ctera_insights.widgets.live import live

        if self.lake is None:
            raise UsageError("Only a store can be followed; open its path or URL.")
        return live(self.lake)

    def refresh(self) -> Self:
        """See what was committed since the store was opened."""
        if self.lake is not None:
            from ctera_insights.insights.views import refresh

            refresh(self.connection, self.lake)
        return self

    def close(self) -> None:
        """Close the connection, unless it was given."""
        if self.lake is not None:
            self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def sql(
        self, query: str, parameters: Mapping[str, Any] | None = None, **filters: Unpack[FilterArgs]
    ) -> Result:
        """A query of one's own, in DuckDB's SQL, over the views and the scopes of the named analyses.

        ``FROM changes`` (or ``history``, ``story``, ``current``) sees what the filters leave; the views
        ``activity``, ``objects``, ``events``, ``folders``, ``batches`` and ``quarantine`` are as they are.

        Args:
            query: one SELECT.
            parameters: values for ``$name`` markers in it.
            filters: see :class:`~ctera_insights.insights.FilterArgs`.

        Example:
            >>> insights.sql("SELECT extension, count(*) AS n FROM changes GROUP BY ALL", since="30d").df()
            ... # doctest: +SKIP
        """
        chosen = Filters.of(**filters, tz=self.tz)
        statement, bound = with_scopes(query.strip().rstrip(";"), chosen, parameters or {})
        return Result(self.connection, statement, bound, note=describe(chosen, self.tz))

    def changes(self, **filters: Unpack[FilterArgs]) -> Result:
        """The observed live changes themselves, one a row, in the order of the feed."""
        chosen = Filters.of(**filters, tz=self.tz)
        statement, bound = with_scopes("SELECT * FROM changes ORDER BY feed, batch, seq", chosen, {})
        return Result(
            self.connection, statement, bound, title="Observed changes", note=describe(chosen, self.tz)
        )

    def current(self, **filters: Unpack[FilterArgs]) -> Result:
        """The files and folders that exist now, one a row."""
        chosen = Filters.of(**filters, tz=self.tz)
        statement, bound = with_scopes("SELECT * FROM current ORDER BY path", chosen, {})
        return Result(
            self.connection, statement, bound, title="Files and folders", note=describe(chosen, self.tz)
        )

    def ask(
        self, name: str, parameters: Mapping[str, Any] | None = None, **filters: Unpack[FilterArgs]
    ) -> Result:
        """Answer an analysis by its name.

        Args:
            name: see :func:`~ctera_insights.insights.analyses`.
            parameters: those that its header names; the others get their defaults.
            filters: see :class:`~ctera_insights.insights.FilterArgs`.

        Raises:
            UsageError: there is no such analysis, or a value is wrong.
        """
        asked = analysis(name)
        chosen = Filters.of(**filters, tz=self.tz)
        values = self._completed(asked.sql, dict(parameters or {}), chosen)
        statement, bound = asked.statement(chosen, values)
        return Result(
            self.connection,
            statement,
            bound,
            title=asked.title,
            note=describe(chosen, self.tz),
            analysis=asked,
            options=values,
            finish=explained if name == "permission_changes" else None,
        )

    def alerts(self, *, sensitivity: float = 1.0, **filters: Unpack[FilterArgs]) -> Alerts:
        """What looks like an incident: see :mod:`ctera_insights.insights.detections`.

        Args:
            sensitivity: 1 is the rules as stated; 2 halves every threshold, 0.5 doubles it.
            filters: ``since`` and ``until`` choose which alerts are told; what is usual is learnt from all
            history.
        """
        from ctera_insights.insights.detections import detect

        return detect(self, sensitivity=sensitivity, **filters)

    def preview(self, **filters: Unpack[FilterArgs]) -> Result:
        """How many alerts a month each sensitivity would have raised on this store's own history."""
        from ctera_insights.insights.detections import preview

        return preview(self, **filters)

    def _completed(self, sql: str, given: dict[str, Any], filters: Filters) -> dict[str, Any]:
        """The parameters of a query, with what was left out."""
        wanted = markers(sql)
        values = {name: value for name, value in given.items() if value is not None}
        if "tz" in wanted:
            values["tz"] = values.get("tz", self.tz)
            zone(values["tz"])
        if "by" in wanted:
            values.setdefault("by", "op")
            if values["by"] not in _SPLITS:
                raise UsageError(f"Activity splits by {', '.join(_SPLITS)}, not by {values['by']!r}")
        if "every" in wanted:
            values["every"], seconds = self._width(values.get("every"), filters)
            values["grain_s"] = next(s for s in (900, 60, 1) if seconds % s == 0)
        if "level" in wanted:
            below = max((path.count("/") + 1 for path in filters.paths if path), default=0)
            values.setdefault("level", below + 1)
        if "as_of" in wanted:
            values["as_of"] = moment(values.get("as_of"), self.tz) or self._last_known()
        if "as_of_or_now" in wanted:
            values["as_of_or_now"] = moment(values.get("as_of_or_now"), self.tz) or datetime.now(UTC)
        for name in wanted & {"level_or_null", "since_or_null"}:
            values.setdefault(name, filters.since if name == "since_or_null" else None)
        return values

    def _last_known(self) -> datetime:
        """The moment of the last change in the store, none that lies in the future; now when it is empty."""
        last_us = self._value('SELECT epoch_us(least(max("at"), max(collected_at))) FROM activity')
        return datetime.now(UTC) if last_us is None else datetime.fromtimestamp(last_us / 1e6, UTC)

    def _value(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The single value that a query gives."""
        return self.connection.sql(sql, params=parameters or None).fetchall()[0][0]

    def _width(self, every: str | None, filters: Filters) -> tuple[str, int]:
        """The width of a timeline's intervals and its seconds (a quarter of an hour for more than a week)."""
        import duckdb

        if every is not None:
            try:
                seconds = int(
                    self._value("SELECT datepart('epoch', CAST($every AS INTERVAL))", {"every": every})
                )
            except duckdb.Error:
                seconds = 0
            if seconds < 1:
                raise UsageError(
                    f"{every!r} is no interval; write one such as '1 hour', '1 day' or '1 month'"
                )
            return every, seconds
        scope, bound = with_scopes(
            'SELECT (epoch_us(max("at")) - epoch_us(min("at"))) // 1000000 FROM changes', filters, {}
        )
        span_s = self._value(scope, bound) or 0
        name, seconds = next(((n, s) for n, s in _WIDTHS if span_s / s <= _MOST), _WIDTHS[-1])
        return name, seconds if seconds <= 604_800 else 900
