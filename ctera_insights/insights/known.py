"""Whether what filters name has ever been in a store: a misspelt name is told, not answered with nothing.

What was there and has nothing in a period is an empty answer like any other. Only names that one types are
looked up, once each, and nothing of a large store is read for a name that exists: the first row that has it
ends the search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import UsageError
from ctera_insights.insights.suggest import instead, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from ctera_insights.insights.filters import Filters
    from ctera_insights.lake import Lake

_MOST_SUGGESTED: Final = 20_000
_USUAL_TYPES: Final = ("file", "folder")


class KnownNames:
    """Looks names up in the views of a connection, and remembers those that it found."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, lake: Lake | None) -> None:
        self._connection = connection
        self._lake = lake
        self._found: set[tuple[str, str]] = set()

    def forget(self) -> None:
        """Look everything up anew: the views show another moment, in which more is known."""
        self._found.clear()

    def check(self, filters: Filters) -> None:
        """Refuse names that never occurred.

        Raises:
            UsageError: there is one; the message suggests another.
        """
        for name in filters.cloud_folders:
            self._check("cloud folder", "cloud_folder", name)
        for name in filters.types:
            if name not in _USUAL_TYPES:
                self._check("type", "type", name)
        for name in filters.extensions:
            if name:
                self._check("extension", "extension", name)
        for path in filters.paths:
            if path:
                self.check_path(path)

    def check_path(self, path: str) -> None:
        """Refuse a path that nothing has or ever had, or lay below.

        Raises:
            UsageError: see above.
        """
        if ("path", path) in self._found:
            return
        wanted = {"path": path, "below": f"{path}/"}
        at_or_below = "({0} = $path OR starts_with({0}, $below))"
        if (
            not (self._has_folders() and self._any("folders", "path = $path", {"path": path}))
            and not self._any("activity", at_or_below.format("path"), wanted)
            and not self._any("activity", at_or_below.format("old_path"), wanted)
            and not (self._has_folders() and self._any("objects", "path = $path", {"path": path}))
            and self._any("activity", "TRUE", {})
        ):
            raise UsageError(
                f"Nothing in this store has, had or lay below the path {shown(path)}{self._instead(path)}"
            )
        self._found.add(("path", path))

    def _check(self, what: str, column: str, name: str) -> None:
        if (column, name) in self._found:
            return
        condition, wanted = f"{column} = $name", {"name": name}
        if (
            not (column == "cloud_folder" and self._has_folders() and self._any("folders", condition, wanted))
            and not self._any("activity", condition, wanted)
            and self._any("activity", "TRUE", {})
        ):
            there = self._values(
                f"SELECT {column} FROM activity WHERE {column} <> '' GROUP BY 1 ORDER BY count(*) DESC, 1"  # noqa: S608
            )
            raise UsageError(f"No {what} in this store is or was called {shown(name)}{instead(name, there)}")
        self._found.add((column, name))

    def _instead(self, path: str) -> str:
        """What there is where the path leaves what exists: the names beside the first that is wrong."""
        if not self._has_folders():
            return ""
        parts = path.split("/")
        for depth in range(len(parts)):
            above, so_far = "/".join(parts[:depth]), "/".join(parts[: depth + 1])
            if self._any("folders", "path = $path", {"path": so_far}):
                continue
            there = self._values(
                "SELECT DISTINCT path FROM folders WHERE path IS NOT NULL AND starts_with(path, $above) "
                "AND length(path) - length(replace(path, '/', '')) = $depth ORDER BY path",
                {"above": f"{above}/" if above else "", "depth": depth},
            )
            return instead(so_far, there)
        return ""

    def _has_folders(self) -> bool:
        """Whether the view is there: a connection that was given may have fewer."""
        return bool(
            self._values(
                "SELECT column_name FROM duckdb_columns() "
                "WHERE table_name = 'folders' AND schema_name = current_schema() "
                "AND database_name = current_database() LIMIT 1"
            )
        )

    def _any(self, view: str, condition: str, wanted: Mapping[str, Any]) -> bool:
        return bool(self._values(f"SELECT 1 FROM {view} WHERE {condition} LIMIT 1", wanted))  # noqa: S608

    def _values(self, sql: str, wanted: Mapping[str, Any] | None = None) -> list[Any]:
        from ctera_insights.insights.result import Result

        table = Result(
            self._connection, f"FROM ({sql}) LIMIT {_MOST_SUGGESTED}", wanted or {}, lake=self._lake
        ).arrow()
        return list(table.column(0).to_pylist())


def check_names(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a name that is not among the known ones.

    Raises:
        UsageError: there is one; the message suggests another.
    """
    known = list(known)
    for name in given:
        if name not in known:
            raise UsageError(f"There is no {what} {shown(name)}{instead(name, known)}")
