"""The index behind an explorer: every event as a few small integers, and counts that answer at once.

``raw`` holds one row of codes an event. A level (an open folder, a search, a zoom, hours of the week) has a
``flat`` table, one row for each bin, operation, extension, cloud folder and child folder that occurs: some
hundred thousand rows at the most, however many events there are. Each view is one query over it. Counts by
grain and operation come from ``raw`` itself; hours of the week and the pages of the table follow from them.

Folders are numbered in the order of their paths, so that a subtree is a range. Numbering them reads every
path, which the first picture does not need: it happens in a thread of its own.
"""

# ruff: noqa: S608 # the SQL names tables of its own, and texts pass through `literal`

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ctera_insights.insights.filters import OPERATIONS
from ctera_insights.widgets.selection import CHANGES, WITH_INVENTORY, contains, literal
from ctera_insights.widgets.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import duckdb
    from numpy.typing import NDArray

    from ctera_insights.widgets.selection import Selection

OPS: Final = tuple(op for op in OPERATIONS if op != "unchanged")
TOP_EXTENSIONS: Final = 24
TOP_CLOUD_FOLDERS: Final = 30
TOP_CHILDREN: Final = 60
OTHER: Final = 65_535
HERE: Final = 65_534
_KEPT_LEVELS: Final = 8
_KEPT_COUNTS: Final = 32
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


@dataclass
class Level:
    """The pre-aggregated counts of an open folder within a search, a zoom and hours of the week."""

    table: str
    edges_s: NDArray[np.int64]
    extensions: list[int]
    cloud_folders: list[int]
    children: list[Child]
    known: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)


class Index:
    """The events of a connection's view ``activity``, coded and counted.

    Args:
        connection: one that nobody else uses: queries of other threads run on its cursors.
        tz: time zone of days and hours.
        inventory: count the inventory as well as the observed changes.

    Attributes:
        timeline: the grains from the first to the last event; ``None`` when there is none.
        events: number of events.
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
        self._numbering = False
        self._name = f"explorer_{next(_NUMBERS)}"
        self._levels: OrderedDict[Hashable, Level] = OrderedDict()
        self._grain_counts: OrderedDict[Hashable, NDArray[np.int64]] = OrderedDict()
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
        """Free the memory, and close the connection."""
        if self._numbering:
            self.folders_ready.wait()
        with self._lock:
            self.connection.execute(f"DETACH {self._name}")
            self.connection.close()

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
            SELECT (epoch_us("at") // {grain_us} - {self.timeline.first})::INTEGER AS t,
                   (CASE op {ops} END)::UTINYINT AS op, e.code AS ext, c.code AS cf{rank}, size_delta AS d
            FROM (SELECT {columns} FROM activity WHERE {where}) a
            JOIN {self._name}.extensions e ON e.extension IS NOT DISTINCT FROM a.extension
            JOIN {self._name}.cloud_folders c ON c.cloud_folder IS NOT DISTINCT FROM a.cloud_folder{join}
            {order}"""

    def number_folders(self) -> None:
        """Number the folders, once, in a thread of its own; whatever needs the numbers waits for them."""
        with self._lock:
            if not self._numbering and self.events:
                self._numbering = True
                threading.Thread(target=self._number_folders, name="explorer folders", daemon=True).start()

    def _number_folders(self) -> None:
        """Number the folders in the order of their paths, and the events by them."""
        try:
            cursor = self.connection.cursor()
            cursor.execute("SET TimeZone = 'UTC'")
            cursor.execute(f"""
                CREATE TABLE {self._name}.folders AS
                SELECT folder, n,
                       (row_number() OVER (ORDER BY replace(folder, '/', chr(1))) - 1)::INTEGER AS rank
                FROM (SELECT {_DIRECTORY} AS folder, count(*) AS n FROM activity
                      WHERE {self.scope} GROUP BY folder)""")
            cursor.execute(f"CREATE TABLE {self._name}.events AS {self._coded(self.scope, ranked=True)}")
            self._source = f"{self._name}.events"
            with self._lock:
                cursor.execute(f"DROP TABLE {self._name}.raw")
            cursor.close()
        except BaseException as error:  # noqa: BLE001 # it is raised again where folders are asked for
            self._folders_error = error
        finally:
            self.folders_ready.set()

    def _await_folders(self, selection: Selection) -> None:
        """Wait for the numbers of the folders where a selection needs them; never with the lock held."""
        if selection.folder or selection.text:
            self.number_folders()
            self.folders_ready.wait()
            if self._folders_error is not None:
                raise self._folders_error

    # --- levels --------------------------------------------------------------------------------------------

    def level(self, selection: Selection) -> Level:
        """The level that a selection lies in, from memory or new."""
        self._await_folders(selection)
        extensions = self._shown(self.extensions, selection.extension, TOP_EXTENSIONS)
        cloud_folders = self._shown(self.cloud_folders, selection.cloud_folder, TOP_CLOUD_FOLDERS)
        key = (
            selection.folder,
            selection.text,
            selection.domain,
            selection.weekdays,
            selection.hours,
            tuple(extensions),
            tuple(cloud_folders),
            tuple(self.edges_s(selection)),
        )
        with self._lock:
            if key in self._levels:
                self._levels.move_to_end(key)
                return self._levels[key]
            level = self._new_level(selection, extensions, cloud_folders)
            self._levels[key] = level
            while len(self._levels) > _KEPT_LEVELS:
                _, old = self._levels.popitem(last=False)
                self.connection.execute(f"DROP TABLE {old.table}")
            return level

    def edges_s(self, selection: Selection) -> NDArray[np.int64]:
        """The boundaries of the bins: round times, and the ends of the time range wherever they lie."""
        assert self.timeline is not None
        low, high = (None if ms is None else ms // 1000 for ms in selection.domain or (None, None))
        edges = self.timeline.edges_s(low, high)
        ends = [ms // 1000 for ms in (selection.since, selection.until) if ms is not None]
        return np.union1d(edges, [end for end in ends if edges[0] < end < edges[-1]]).astype(np.int64)

    @staticmethod
    def _shown(values: Sequence[str | None], chosen: Sequence[str | None], most: int) -> list[int]:
        """The codes that get a bar: the most frequent ones and the selected ones."""
        codes = list(range(min(len(values), most)))
        return codes + [code for code, value in enumerate(values[most:], start=most) if value in chosen]

    def _new_level(self, selection: Selection, extensions: list[int], cloud_folders: list[int]) -> Level:
        edges = self.edges_s(selection)
        number = next(self._tables)
        grains = self._grains_table(f"{self._name}.grains_{number}", edges, selection)
        source, within = self._where(selection)
        cloud_folder = _folded("cf", cloud_folders, self.cloud_folders)
        child, kids, children = cloud_folder, "", self._roots(cloud_folders)
        if selection.folder:
            child, kids = "kid", f"JOIN {self._name}.kids_{number} USING (rank)"
            children = self._children(selection.folder, f"{self._name}.kids_{number}")
        table = f"{self._name}.flat_{number}"
        self.connection.execute(f"""
            CREATE TABLE {table} AS
            SELECT bin, op, ext, cf, kid, count(*)::BIGINT AS n,
                   sum(greatest(d, 0))::BIGINT AS added, sum(greatest(-d, 0))::BIGINT AS removed
            FROM (SELECT bin, op, {_folded("ext", extensions, self.extensions)} AS ext,
                         {cloud_folder} AS cf, {child} AS kid, d
                  FROM {source} JOIN {grains} USING (t) {kids} WHERE {within})
            GROUP BY bin, op, ext, cf, kid""")
        self.connection.execute(f"DROP TABLE {grains}")
        if kids:
            self.connection.execute(f"DROP TABLE {self._name}.kids_{number}")
        return Level(table, edges, extensions, cloud_folders, children)

    def _grains_table(self, name: str, edges: NDArray[np.int64], selection: Selection) -> str:
        """Which bin each grain lies in, for the grains that the zoom and the hours of the week leave."""
        import pyarrow as pa

        assert self.timeline is not None
        starts = self.timeline.starts_s()
        inside = (starts >= edges[0]) & (starts < edges[-1]) & self.hours_mask(selection)
        t = np.flatnonzero(inside).astype(np.int32)
        bins = np.searchsorted(edges, starts[inside], side="right").astype(np.int32) - 1
        grains = pa.table({"t": t, "bin": bins})
        self.connection.register("explorer_grains", grains)
        self.connection.execute(f"CREATE TABLE {name} AS FROM explorer_grains")
        self.connection.unregister("explorer_grains")
        return name

    def hours_mask(self, selection: Selection) -> NDArray[np.bool_]:
        """The grains whose hour of the week is selected."""
        assert self.timeline is not None
        hour_of_week = self.timeline.hours_of_week()
        mask = np.ones(self.timeline.grains, dtype=bool)
        if selection.weekdays:
            day = hour_of_week // 24
            mask &= (day >= selection.weekdays[0]) & (day <= selection.weekdays[1])
        if selection.hours:
            hour = hour_of_week % 24
            mask &= (hour >= selection.hours[0]) & (hour <= selection.hours[1])
        return mask

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
            while len(self._found) > _KEPT_LEVELS:
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

    # --- counts --------------------------------------------------------------------------------------------

    def counts(
        self, level: Level, column: str, codes: Sequence[int], where: str, *, sizes: bool = False
    ) -> NDArray[np.float64]:
        """Events by bin and code, shape ``(bins, codes)``; with sizes ``(bins, codes, 3)``.

        Args:
            level: where to count.
            column: of the level's table.
            codes: the columns of the answer, in order.
            where: condition over the level's table.
            sizes: bytes added and bytes removed as well.
        """
        key = (column, tuple(codes), where, sizes)
        if key not in level.known:
            names = ("n", "added", "removed") if sizes else ("n",)
            what = ", ".join(f"sum({name}) AS {name}" for name in names)
            place = "CASE " + " ".join(f"WHEN {column} = {c} THEN {i}" for i, c in enumerate(codes)) + " END"
            if list(codes) == list(range(len(codes))):
                place = column
            elif not codes:
                place = "0"
            with self._lock:
                found = self.connection.sql(
                    f"SELECT bin, {place} AS place, {what} FROM {level.table} "
                    f"WHERE {where} GROUP BY bin, place"
                ).fetchnumpy()
            bins = len(level.edges_s) - 1
            place_of = np.ma.filled(found["place"], -1).astype(np.int64)
            inside = (place_of >= 0) & (place_of < max(len(codes), 1))
            at = (found["bin"].astype(np.int64)[inside], place_of[inside])
            counted = np.zeros((bins, max(len(codes), 1), len(names)))
            for i, name in enumerate(names):
                counted[(*at, i)] = np.asarray(found[name], dtype=np.float64)[inside]
            if not sizes:
                counted = counted[:, :, 0]
            level.known[key] = counted
            while len(level.known) > _KEPT_COUNTS:
                level.known.popitem(last=False)
        return level.known[key]  # type: ignore[no-any-return] # the values are arrays

    def grain_counts(self, selection: Selection) -> NDArray[np.int64]:
        """Events by grain and operation, shape ``(grains, operations)``.

        They pass the folder, search, extension and cloud folder filters; operations, hours and times are
        left to the caller.
        """
        self._await_folders(selection)
        conditions = [
            self.codes_in("ext", self.extensions, selection.extension),
            self.codes_in("cf", self.cloud_folders, selection.cloud_folder),
        ]
        key = (selection.folder, selection.text, *conditions)
        with self._lock:
            if key not in self._grain_counts:
                source, within = self._where(selection)
                found = self.connection.sql(
                    f"SELECT t * {len(OPS)} + op AS place, count(*) AS n FROM {source} "
                    f"WHERE {within} AND {' AND '.join(conditions)} GROUP BY place"
                ).fetchnumpy()
                assert self.timeline is not None
                counted = np.zeros(self.timeline.grains * len(OPS), dtype=np.int64)
                counted[found["place"]] = found["n"]
                self._grain_counts[key] = counted.reshape(-1, len(OPS))
                while len(self._grain_counts) > _KEPT_COUNTS:
                    self._grain_counts.popitem(last=False)
            return self._grain_counts[key]

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


def _folded(column: str, shown: list[int], values: Sequence[str | None]) -> str:
    """The column with every code that has no bar of its own as :data:`OTHER`."""
    if len(shown) == len(values):
        return column
    return f"CASE WHEN {column} IN ({', '.join(map(str, shown))}) THEN {column} ELSE {OTHER} END"
