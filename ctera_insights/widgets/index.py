"""The index behind an explorer: counts that answer at once.

A level (an open folder, a search, a zoom, hours of the week) has a table with one row for each bin,
operation, extension, cloud folder and child folder that occurs: some hundred thousand rows, however many
events there are. Each view is one query over it. Counts by grain and operation come from the codes
themselves; hours of the week and the pages of the table follow from them.
"""

# ruff: noqa: S608 # the SQL names tables of its own, and texts pass through `literal`

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ctera_insights.widgets.codes import OPS, OTHER, Child, Codes

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import duckdb
    from numpy.typing import NDArray

    from ctera_insights.widgets.selection import Selection

TOP_EXTENSIONS: Final = 24
TOP_CLOUD_FOLDERS: Final = 30
_KEPT_LEVELS: Final = 8
_KEPT_COUNTS: Final = 32


@dataclass
class Level:
    """The pre-aggregated counts of an open folder within a search, a zoom and hours of the week."""

    table: str
    edges_s: NDArray[np.int64]
    extensions: list[int]
    cloud_folders: list[int]
    children: list[Child]
    known: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)


class Index(Codes):
    """Coded events, counted; see :class:`~ctera_insights.widgets.codes.Codes` for how to make one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, tz: str, *, inventory: bool = False) -> None:
        super().__init__(connection, tz, inventory=inventory)
        self._levels: OrderedDict[Hashable, Level] = OrderedDict()
        self._grain_counts: OrderedDict[Hashable, NDArray[np.int64]] = OrderedDict()

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
                   sum(greatest(d, 0))::DOUBLE AS added, -sum(least(d, 0))::DOUBLE AS removed
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


def _folded(column: str, shown: list[int], values: Sequence[str | None]) -> str:
    """The column with every code that has no bar of its own as :data:`OTHER`."""
    if len(shown) == len(values):
        return column
    return f"CASE WHEN {column} IN ({', '.join(map(str, shown))}) THEN {column} ELSE {OTHER} END"
