"""Every event of an activity view as a few small integers: what an explorer counts.

``raw`` holds one row of codes an event. Folders are numbered in the order of their paths, so that a subtree
is a range. Numbering them reads every path, which the first picture does not need: it happens in a thread of
its own, and ``events`` then takes the place of ``raw``.
"""

# ruff: noqa: S608 # the SQL names tables of its own, and texts pass through `literal`

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.activity.relations import literal
from ctera_insights.insights.filters import OPERATIONS
from ctera_insights.widgets.selection import CHANGES, WITH_INVENTORY, contains
from ctera_insights.widgets.timeline import Timeline
from ctera_insights.widgets.worker import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from ctera_insights.widgets.selection import Selection

OPS: Final = tuple(op for op in OPERATIONS if op != "unchanged")
TOP_CHILDREN: Final = 60
OTHER: Final = 65_535
HERE: Final = 65_534
_KEPT_SEARCHES: Final = 8
_NUMBERS: Final = itertools.count(1)
_DIRECTORY: Final = (
    "CASE WHEN type = 'folder' THEN path ELSE left(path, greatest(length(path) - length(name) - 1, 0)) END"
)


@dataclass(frozen=True)
class Child:
    """A bar of the folder view: ``folder`` to descend into, ``here`` for files of the open folder itself."""

    code: int
    name: str
    path: str
    kind: str


class _Closed(Exception):  # never leaves the explorer
    """The explorer was closed while something waited for its folders."""


class Codes:
    """The events of a connection's view ``activity``, coded, with tables of their own in memory.

    Args:
        connection: one that nobody else uses: queries of other threads run on its cursors.
        tz: time zone of days and hours.
        inventory: code the inventory as well as the observed changes.

    Attributes:
        timeline: the grains from the first to the last event; ``None`` when there is none.
        events: number of events.
        extensions: values by code, the most frequent first.
        cloud_folders: likewise.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, tz: str, *, inventory: bool = False) -> None:
        self.connection = connection
        self.tz = tz
        self.scope = WITH_INVENTORY if inventory else CHANGES
        self.timeline: Timeline | None = None
        self.events = 0
        self.extensions: list[str | None] = []
        self.cloud_folders: list[str | None] = []
        self.folders_ready = threading.Event()
        self._folders_error: BaseException | None = None
        self._numbering: Callable[[], object] | None = None
        self._closing = threading.Event()
        self._name = f"explorer_{next(_NUMBERS)}"
        self._found: OrderedDict[str, str] = OrderedDict()
        self._tables = itertools.count(1)
        self._lock = threading.RLock()
        self.connection.execute(f"ATTACH ':memory:' AS {self._name}")
        self._source = f"{self._name}.raw"

    def build(self) -> None:
        """Code every event; what needs the paths waits for :meth:`number_folders`."""
        first, last, events = self.rows(
            f'SELECT epoch_us(min("at")) // 1000000, epoch_us(max("at")) // 1000000, count(*) '
            f"FROM activity WHERE {self.scope}"
        )[0]
        self.events = events
        if not events:
            self.folders_ready.set()
            return
        self.timeline = Timeline.over(int(first), int(last), self.tz)
        self.extensions = self._dictionary("extension")
        self.cloud_folders = self._dictionary("cloud_folder")
        self.connection.execute(f"CREATE TABLE {self._name}.raw AS {self._coded(self.scope)}")

    def close(self) -> None:
        """End what still runs, free the memory, and close the connection."""
        self._closing.set()
        if self._numbering is not None:
            self._numbering()
        with self._lock:
            self.connection.execute(f"DETACH {self._name}")
            self.connection.close()

    @property
    def closing(self) -> bool:
        """Whether the explorer is being closed."""
        return self._closing.is_set()

    def inventory(self) -> int:
        """The number of objects that the inventory listed."""
        return int(self.rows("SELECT count(*) FROM activity WHERE phase = 'baseline'")[0][0])

    def _dictionary(self, column: str) -> list[str | None]:
        """The values of a column, the most frequent first, and a table of their codes."""
        self.connection.execute(
            f"CREATE TABLE {self._name}.{column}s AS "
            f"SELECT {column}, (row_number() OVER (ORDER BY count(*) DESC, {column}) - 1)::INTEGER AS code "
            f"FROM activity WHERE {self.scope} GROUP BY {column}"
        )
        return [row[0] for row in self.rows(f"SELECT {column} FROM {self._name}.{column}s ORDER BY code")]

    def _coded(self, where: str, *, ranked: bool = False) -> str:
        """The query that turns rows of ``activity`` into codes."""
        assert self.timeline is not None
        ops = " ".join(f"WHEN '{op}' THEN {i}" for i, op in enumerate(OPS))
        rank = ", d.rank AS rank" if ranked else ""
        join = f" JOIN {self._name}.folders d ON d.folder = a.folder" if ranked else ""
        columns = (
            f'"at", op, extension, cloud_folder, size_delta{f", {_DIRECTORY} AS folder" if ranked else ""}'
        )
        order = " ORDER BY rank, t" if ranked else ""
        grain_us = self.timeline.grain_s * 1_000_000
        return f"""
            SELECT least(greatest(epoch_us("at") // {grain_us} - {self.timeline.first}, 0),
                         {self.timeline.grains - 1})::INTEGER AS t,
                   (CASE op {ops} END)::UTINYINT AS op, e.code AS ext, c.code AS cf{rank}, size_delta AS d
            FROM (SELECT {columns} FROM activity WHERE {where}) a
            JOIN {self._name}.extensions e ON e.extension IS NOT DISTINCT FROM a.extension
            JOIN {self._name}.cloud_folders c ON c.cloud_folder IS NOT DISTINCT FROM a.cloud_folder{join}
            {order}"""

    def number_folders(self) -> None:
        """Number the folders, once, in a thread of its own; whatever needs the numbers waits for them."""
        with self._lock:
            if self._numbering is None and self.events:
                cursor, closing = self.connection.cursor(), self._closing

                def interrupt() -> None:
                    closing.set()
                    cursor.interrupt()

                self._numbering = run(
                    self, "explorer folders", lambda: self._number_folders(cursor), interrupt
                )

    def interrupt(self) -> None:
        """End the query that runs, and what waits for the numbers of the folders."""
        self._closing.set()
        self.connection.interrupt()

    def _number_folders(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Number the folders in the order of their paths, and the events by them."""
        try:
            for statement in (
                "SET TimeZone = 'UTC'",
                f"""
                CREATE TABLE {self._name}.folders AS
                SELECT folder, n,
                       (row_number() OVER (ORDER BY replace(folder, '/', chr(1))) - 1)::INTEGER AS rank
                FROM (SELECT {_DIRECTORY} AS folder, count(*) AS n FROM activity
                      WHERE {self.scope} GROUP BY folder)""",
                f"CREATE TABLE {self._name}.events AS {self._coded(self.scope, ranked=True)}",
            ):
                self._go_on()
                cursor.execute(statement)
            self._source = f"{self._name}.events"
            with self._lock:
                cursor.execute(f"DROP TABLE {self._name}.raw")
        except BaseException as error:  # noqa: BLE001 # it is raised again where folders are asked for
            self._folders_error = error
        finally:
            self.folders_ready.set()

    def _go_on(self) -> None:
        if self._closing.is_set():
            raise _Closed

    def _await_folders(self, selection: Selection) -> None:
        """Wait for the numbers of the folders where a selection needs them; never with the lock held."""
        if selection.folder or selection.text:
            self.number_folders()
            self.folders_ready.wait()
            if self._folders_error is not None:
                raise self._folders_error

    def _where(self, selection: Selection) -> tuple[str, str]:
        """The table of events that a folder and a search leave, and the condition within it."""
        source, within = self._source, "TRUE"
        if selection.text:
            source = self._search(selection.text)
        if selection.folder:
            low, high = self._subtree(selection.folder)
            within = f"rank BETWEEN {low} AND {high}"
            source = source if selection.text else self._source
        return source, within

    def _search(self, text: str) -> str:
        """The events whose path or old path contains a text, as a table."""
        if text not in self._found:
            name = f"{self._name}.found_{next(self._tables)}"
            where = f"{self.scope} AND {contains(text)}"
            self.connection.execute(f"CREATE TABLE {name} AS {self._coded(where, ranked=True)}")
            self._found[text] = name
            while len(self._found) > _KEPT_SEARCHES:
                self.connection.execute(f"DROP TABLE {self._found.popitem(last=False)[1]}")
        return self._found[text]

    def _subtree(self, folder: str) -> tuple[int, int]:
        low, high = self.rows(
            f"SELECT min(rank), max(rank) FROM {self._name}.folders "
            f"WHERE folder = {literal(folder)} OR starts_with(folder, {literal(folder + '/')})"
        )[0]
        return (0, -1) if low is None else (low, high)

    def _roots(self, cloud_folders: list[int]) -> list[Child]:
        shown = cloud_folders[:TOP_CHILDREN]
        children = [
            Child(code, name, name, "folder")
            if (name := self.cloud_folders[code]) is not None
            else Child(code, "(unknown)", "", "unknown")
            for code in shown
        ]
        return [*children, Child(OTHER, "(other folders)", "", "other")]

    def _children(self, folder: str, table: str) -> list[Child]:
        """The folders directly below one, the most active first; their codes by rank go to a table."""
        low, high = self._subtree(folder)
        depth = folder.count("/") + 2
        self.connection.execute(f"""
            CREATE TABLE {table} AS
            WITH below AS (
                SELECT rank, n, split_part(folder, '/', {depth}) AS name FROM {self._name}.folders
                WHERE rank BETWEEN {low} AND {high}
            ), named AS (
                SELECT name, (row_number() OVER (ORDER BY sum(n) DESC, name) - 1)::INTEGER AS code
                FROM below WHERE name <> '' GROUP BY name
            )
            SELECT rank, name, CASE WHEN name = '' THEN {HERE} WHEN code < {TOP_CHILDREN} THEN code
                               ELSE {OTHER} END AS kid
            FROM below LEFT JOIN named USING (name)""")
        named = self.rows(f"SELECT DISTINCT kid, name FROM {table} WHERE kid < {TOP_CHILDREN} ORDER BY kid")
        children = [Child(code, name, f"{folder}/{name}", "folder") for code, name in named]
        return [
            *children,
            Child(HERE, "(files directly here)", "", "here"),
            Child(OTHER, "(other folders)", "", "other"),
        ]

    @staticmethod
    def codes_in(column: str, values: Sequence[str | None], chosen: Sequence[str | None]) -> str:
        """The condition that a coded column holds one of the chosen values."""
        if not chosen:
            return "TRUE"
        codes = [str(code) for code, value in enumerate(values) if value in chosen]
        return f"{column} IN ({', '.join(codes)})" if codes else "FALSE"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the views and the index' own tables."""
        with self._lock:
            return self.connection.sql(sql).fetchall()
