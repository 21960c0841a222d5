"""The derived tables of a lake: where each feed stands, what they hold of it, and the commit of a step."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctera_insights import model
from ctera_insights.activity.engine import Before, Derived, Step
from ctera_insights.activity.relations import PARENT, attach, current, files_of, literal, one, run, sql
from ctera_insights.activity.spill import spill_directory
from ctera_insights.lake.intact import verify
from ctera_insights.lake.names import RESERVED
from ctera_insights.lake.sweep import remove_staged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from ctera_insights.lake import DataFile, Lake, Table

DERIVED: Final = ("activity", "objects", "folders")
"""The derived tables, in the order in which a step is committed to them."""
MEMORY_LIMIT: Final = "1500MB"
"""What DuckDB may hold before it goes to disk."""
WRITER: Final = f"{RESERVED}activity"
"""The lock of those who derive, under which all these tables are written."""


@dataclass(frozen=True)
class Tables:
    """The derived tables of a lake, and the stored answers, which are raw truth and never dropped."""

    activity: Table
    objects: Table
    folders: Table
    observations: Table

    @property
    def derived(self) -> tuple[Table, Table, Table]:
        """The derived ones, in the order of commits."""
        return self.activity, self.objects, self.folders

    @property
    def all(self) -> tuple[Table, ...]:
        """The derived ones and the stored answers."""
        return (*self.derived, self.observations)


def tables(lake: Lake, *, under: str = "") -> Tables:
    """The derived tables of a lake, which need not exist.

    Args:
        lake: the lake.
        under: directory for the derived ones, when they are built beside those in use.
    """
    state = ("feed", "batch", "rid", "replaces")
    return Tables(
        activity=lake.table(
            f"{under}activity",
            model.activity_schema(),
            statistics=("feed", "seq", "batch", "at", "missing", "old_missing"),
            derived=True,
            dictionary=(
                "feed", "phase", "op", "type", "cloud_folder", "extension", "parent_guid", "acl", "old_acl",
                "missing", "old_missing",
            ),
            writer=WRITER,
        ),
        objects=lake.table(
            f"{under}objects",
            model.objects_schema(),
            statistics=state,
            derived=True,
            dictionary=("feed", "type", "extension", "parent_guid", "directory", "acl"),
            writer=WRITER,
        ),
        folders=lake.table(
            f"{under}folders",
            model.folders_schema(),
            statistics=state,
            derived=True,
            dictionary=("feed", "parent_guid", "cloud_folder", "missing"),
            writer=WRITER,
        ),
        observations=lake.table(
            "observations", model.observations_schema(), statistics=("feed", "batch"), writer=WRITER
        ),
    )  # fmt: skip


def app_id(feed: str) -> str:
    """The Delta application under which a feed's progress is kept."""
    return f"activity:{feed}"


def ground_id(feed: str) -> str:
    """The Delta application under which is kept what the derived rows stand on.

    Its number is the moment at which the last batch was sealed, microseconds since 1970. A batch that was
    collected again has another one; so what was derived from the first does not pass for derived from it.
    """
    return f"activity-ground:{feed}"


def watermark(tables: Tables, feed: str) -> int:
    """The last batch of a feed that is in all derived tables; 0 before the first."""
    return tables.folders.transaction(app_id(feed)) or 0


@contextlib.contextmanager
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection of bounded memory, which spills to a directory of its own."""
    import duckdb

    with spill_directory() as spill:
        con = duckdb.connect(
            config={
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": spill,
                "preserve_insertion_order": False,
            }
        )
        try:
            con.execute("SET TimeZone = 'UTC'")
            con.execute("SET enable_progress_bar = false")
            yield con
        finally:
            con.close()


def before(
    con: duckdb.DuckDBPyConnection, lake: Lake, tables: Tables, feed: str, low: int, high: int
) -> Before:
    """What the engine reads for the batches after ``low`` up to ``high``.

    Raises:
        FileDamaged: a raw file is not what was written.
    """
    raw = [file for file in files_of(lake.events.snapshot().files, feed, high) if _reaches(file, low)]
    verify(lake.events, raw)
    observe(con, tables, feed)
    objects, objects_rid = _state(con, tables.objects, feed, low)
    folders, folders_rid = _state(con, tables.folders, feed, low)
    return Before(
        events=attach(con, lake.events, raw, "raw_files"),
        objects=objects,
        folders=folders,
        objects_rid=objects_rid,
        folders_rid=folders_rid,
    )


def _reaches(file: DataFile, low: int) -> bool:
    highest = file.max.get("batch")
    return highest is None or highest > low


def _state(con: duckdb.DuckDBPyConnection, table: Table, feed: str, through: int) -> tuple[str, int]:
    """SQL of the current rows of a feed as of a batch, and the highest ``rid`` among them."""
    files = files_of(table.snapshot().files, feed, through)
    rows = attach(con, table, files, f"{table.name}_files")
    mine = f"(SELECT * FROM {rows} WHERE feed = {literal(feed)} AND batch <= {through})"  # noqa: S608 - our names
    return current(mine), int(one(con, f"SELECT coalesce(max(rid), 0) FROM {mine}")[0])  # noqa: S608 - our names


def observe(con: duckdb.DuckDBPyConnection, tables: Tables, feed: str) -> None:
    """Put the Portal's stored answers about folders of a feed on the connection, as table ``observed``."""
    files = files_of(tables.observations.snapshot().files, feed)
    rows = attach(con, tables.observations, files, "observation_files")
    run(
        con,
        sql("observed").format(rows=rows, parent=PARENT.format(parent="parent_guid", guid="guid")),
        {"feed": feed},
    )


def commit(tables: Tables, step: Step, derived: Derived) -> None:
    """Add a step to each derived table that lacks it, durably and fenced.

    Raises:
        StoreFenced: another process committed the step first; nothing was written twice.
        StoreUnwritable: the file system refused; the tables before it in the order have the step.
        CommitUnclear: the store does not tell; the next run finds out.
    """
    name = app_id(step.feed)
    lacking = [
        (table, rows)
        for table, rows in zip(
            tables.derived, (derived.activity, derived.objects, derived.folders), strict=True
        )
        if (table.transaction(name) or 0) < step.high
    ]
    with ThreadPoolExecutor(len(tables.derived)) as pool:
        written = [pool.submit(table.write, rows) for table, rows in lacking]
    for (table, _), files in zip(lacking, written, strict=True):
        table.commit(
            files.result(),
            app_id=name,
            version=step.high,
            metadata={"feed": step.feed, "batch": str(step.high), "low": str(step.low)},
            also={ground_id(step.feed): step.ground_us},
        )


def create(tables: Sequence[Table]) -> None:
    """Create the tables that are not there, and remove what a killed writer left half written.

    The caller holds the lock of those who derive (:data:`WRITER`), and has nothing in the making.
    """
    for table in tables:
        table.create()
        remove_staged(table, mine=[table.owner])
