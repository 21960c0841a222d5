"""``Insights``: a collected store, opened for questions."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any, Self, Unpack

from ctera_insights.errors import UsageError
from ctera_insights.insights.analysis import analysis, with_scopes
from ctera_insights.insights.filters import FilterArgs, Filters, When, describe, zone
from ctera_insights.insights.known import KnownNames, check_names
from ctera_insights.insights.parameters import completed, plain
from ctera_insights.insights.permissions import explained
from ctera_insights.insights.questions import Questions
from ctera_insights.insights.result import Result
from ctera_insights.insights.statement import inlined, one_query

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    import duckdb
    import pyarrow as pa

    from ctera_insights.insights.alerts import Alerts
    from ctera_insights.lake import Lake
    from ctera_insights.widgets.explorer import Explorer
    from ctera_insights.widgets.live import LiveView


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

    Attributes:
        lacks: what ``activity``, ``objects`` and ``folders`` lack of what was collected, in a sentence; empty
            when they are up to date, or a collector is about to derive the rest. Every answer says it, too.

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
        self.lacks = ""
        if isinstance(store, duckdb.DuckDBPyConnection):
            self.connection = store
            self.connection.execute("SET TimeZone = 'UTC'")
        else:
            from ctera_insights.insights.views import connect
            from ctera_insights.lake import Lake

            self.lake = store if isinstance(store, Lake) else Lake(store)
            self.connection = connect(self.lake)
            self.lacks = self._overdue()
        self.known = KnownNames(self.connection, self.lake)

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
            self.lacks = self._overdue()
            self.known.forget()
        return self

    def _overdue(self) -> str:
        from ctera_insights.activity.behind import overdue

        return overdue(self.lake) if self.lake is not None else ""

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
            query: one query: ``SELECT``, ``FROM``, ``WITH``, ``PIVOT``, ``SUMMARIZE``, ``DESCRIBE``, ``SHOW``
                or ``EXPLAIN`` of one, with comments and a semicolon as you like.
            parameters: values for ``$name`` markers in it.
            filters: see :class:`~ctera_insights.insights.FilterArgs`.

        Raises:
            UsageError: it is no query, or more than one, or a parameter has no value.
            QueryFailed: DuckDB cannot parse it; what else it refuses shows when rows are wanted.

        Example:
            >>> insights.sql("SELECT extension, count(*) AS n FROM changes GROUP BY ALL", since="30d").df()
            ... # doctest: +SKIP
        """
        asked = one_query(query)
        given = _named(parameters)
        chosen = self.filters(**filters)
        if missing := sorted(asked.parameters - given.keys()):
            raise UsageError(f"The query has no value for {', '.join('$' + name for name in missing)}")
        if unused := sorted(given.keys() - asked.parameters):
            raise UsageError(f"The query has no {', '.join('$' + name for name in unused)}")
        statement, bound = with_scopes(asked.sql, chosen, {})
        if taken := sorted(given.keys() & bound.keys()):
            raise UsageError(f"A filter binds {', '.join('$' + name for name in taken)}; choose another name")
        bound |= given
        if asked.several:
            statement, bound = inlined(statement, bound), {}
        return self._result(statement, bound, note=self._note(chosen))

    def _note(self, chosen: Filters) -> str:
        return " · ".join(filter(None, [describe(chosen, self.tz), self.lacks]))

    def _result(self, statement: str, bound: Mapping[str, Any], **about: Any) -> Result:
        return Result(self.connection, statement, bound, lake=self.lake, **about)

    def filters(self, **filters: Unpack[FilterArgs]) -> Filters:
        """Check filters against this store, as every question does.

        Raises:
            UsageError: there is no such filter; a value cannot be; or a cloud folder, path, type or extension
                never occurred in the store. The message suggests what may have been meant.
        """
        check_names("filter", filters, FilterArgs.__annotations__)
        chosen = Filters.of(**filters, tz=self.tz)
        self.known.check(chosen)
        return chosen

    def changes(self, **filters: Unpack[FilterArgs]) -> Result:
        """The observed live changes themselves, one a row, in the order of the feed."""
        chosen = self.filters(**filters)
        statement, bound = with_scopes("SELECT * FROM changes ORDER BY feed, batch, seq", chosen, {})
        return self._result(statement, bound, title="Observed changes", note=self._note(chosen))

    def current(self, **filters: Unpack[FilterArgs]) -> Result:
        """The files and folders that exist now, one a row."""
        chosen = self.filters(**filters)
        statement, bound = with_scopes("SELECT * FROM current ORDER BY path", chosen, {})
        return self._result(statement, bound, title="Files and folders", note=self._note(chosen))

    def ask(
        self, name: str, parameters: Mapping[str, Any] | None = None, **filters: Unpack[FilterArgs]
    ) -> Result:
        """Answer an analysis by its name.

        Args:
            name: see :func:`~ctera_insights.insights.analyses`.
            parameters: those that its header names; the others get their defaults.
            filters: see :class:`~ctera_insights.insights.FilterArgs`.

        Raises:
            UsageError: there is no such analysis, parameter or filter, or a value is wrong.
        """
        asked = analysis(name)
        given = _named(parameters)
        check_names(f"parameter of {name}", given, asked.parameters)
        check_names(
            f"filter or parameter of {name}", filters, [*FilterArgs.__annotations__, *asked.parameters]
        )
        chosen = self.filters(**filters)
        values = completed(self, asked, given, chosen)
        statement, bound = asked.statement(chosen, values)
        return self._result(
            statement,
            bound,
            title=asked.title,
            note=self._note(chosen),
            analysis=asked,
            options=values,
            finish=self._finish(name, values),
        )

    def _finish(self, name: str, values: Mapping[str, Any]) -> Callable[[pa.Table], pa.Table] | None:
        """What is done to the rows of an analysis, if anything."""
        if name == "permission_changes":
            return explained
        if name == "path_history":
            return lambda table: table if table.num_rows else self._nothing_of(values["of_path"], table)
        return None

    def _nothing_of(self, path: str, table: pa.Table) -> pa.Table:
        """The empty history of a path that was there in another period; any other path is refused."""
        self.known.check_path(path)
        return table

    def alerts(
        self,
        *,
        sensitivity: float = 1.0,
        collected_since: When | None = None,
        **filters: Unpack[FilterArgs],
    ) -> Alerts:
        """What looks like an incident: see :mod:`ctera_insights.insights.detections`.

        Args:
            sensitivity: 1 is the rules as stated; 2 halves every threshold, 0.5 doubles it.
            collected_since: tell of what something collected since then belongs to, whenever it happened.
            filters: ``since`` and ``until`` choose which alerts are told, by the time of the changes; an age
                such as ``"1h"`` as ``since`` counts by the time of collection, as ``collected_since`` does.
                What is usual is learnt from all history.
        """
        from ctera_insights.insights.detections import detect

        return detect(self, sensitivity=sensitivity, collected_since=collected_since, **filters)

    def preview(self, **filters: Unpack[FilterArgs]) -> Result:
        """How many alerts a month each sensitivity would have raised on this store's own history."""
        from ctera_insights.insights.detections import preview

        return preview(self, **filters)

    def reading(self) -> AbstractContextManager[None]:
        """Inside it, what DuckDB or the store's files fail with is told as an error of ours."""
        from ctera_insights.lake.borders import reading

        return reading(self._name, self.lake)


def _named(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(parameters, (Mapping, NoneType)):
        raise UsageError(f"Parameters are given by name, such as {{'limit': 5}}, not as {parameters!r}")
    return {str(name): plain(value) for name, value in (parameters or {}).items()}
