"""What becomes known late: parents that arrive after their children, and what the Portal tells.

Rows of ``activity`` remember the unknown directory in their path (``missing``). At the end of a run,

1. unknown directories are asked of the Portal, each at most once ever, and the answers are stored;
2. answered directories enter ``objects`` and ``folders``;
3. rows whose directory became known get the path that they would have had, had it been known from the start:
   the files that hold them are replaced, each in one commit.

Each part finds out by itself what is left to do, so a crash in between loses and repeats nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ctera_insights.activity.engine import OWN, Step, adopt, answer, updates
from ctera_insights.activity.relations import IN_PATH, PARENT, attach, files_of, literal, one, run, sql
from ctera_insights.activity.store import before, watermark
from ctera_insights.activity.tree import NEVER, ROOT, FolderTree, Timeline
from ctera_insights.lake.intact import verify

if TYPE_CHECKING:
    import duckdb

    from ctera_insights.activity.store import Tables
    from ctera_insights.lake import DataFile, Lake

Key = tuple[int, str]
"""A folder: ``folder_id`` (-1 where it is unknown) and ``guid``."""


class Missing(NamedTuple):
    """Directories that paths in ``activity`` lack.

    Attributes:
        files: the files whose rows lack any.
        unknown: those that neither the feed nor the Portal has told of, and that were not asked in vain.
        known: those known by now.
        lacking: how many there are, known by now or not.
    """

    files: list[DataFile]
    unknown: list[Key]
    known: list[Key]
    lacking: int


def missing(con: duckdb.DuckDBPyConnection, lake: Lake, tables: Tables, feed: str) -> Missing:
    """Find out what is missing in the paths of a feed's activity; leaves ``torn_keys`` on the connection."""
    files = [
        file
        for file in files_of(tables.activity.snapshot().files, feed)
        if file.max.get("missing") is not None or file.max.get("old_missing") is not None
    ]
    if not files:
        return Missing([], [], [], 0)
    mark = watermark(tables, feed)
    state = before(con, lake, tables, feed, mark, mark)
    observations = files_of(tables.observations.snapshot().files, feed)
    run(
        con,
        sql("missing").format(
            activity=attach(con, tables.activity, files, "torn_files"),
            folders=state.folders,
            observations=attach(con, tables.observations, observations, "observation_files"),
        ),
        {"feed": feed},
    )
    # The youngest guids first: they tend to lie deepest, and each answer tells of all above it.
    rows = run(
        con, "SELECT folder_id, guid, known, refused FROM torn_keys ORDER BY length(guid) DESC, guid DESC"
    )
    return Missing(
        files,
        [(folder_id, guid) for folder_id, guid, known, refused in rows if not known and not refused],
        [(folder_id, guid) for folder_id, guid, known, _ in rows if known],
        len(rows),
    )


def adopt_answers(con: duckdb.DuckDBPyConnection, lake: Lake, tables: Tables, feed: str) -> None:
    """Enter directories that only the Portal's answers tell of into ``objects`` and ``folders``."""
    mark = watermark(tables, feed)
    state = before(con, lake, tables, feed, mark, mark)
    derived = adopt(con, Step(feed, mark, mark), state)
    name = f"answers:{feed}"
    for table, rows in ((tables.objects, derived.objects), (tables.folders, derived.folders)):
        if len(rows):
            table.append([rows], app_id=name, version=(table.transaction(name) or 0) + 1)


def mend(con: duckdb.DuckDBPyConnection, tables: Tables, feed: str, files: list[DataFile]) -> int:
    """Give the rows of some files the paths that ``torn_keys`` now allows; returns how many rows changed."""
    mended = 0
    for file in files:
        verify(tables.activity, [file])
        rows = attach(con, tables.activity, [file], "torn_files")
        run(con, sql("torn").format(rows=rows))
        count = one(con, "SELECT count(*) FROM torn WHERE fixable OR old_fixable")[0]
        if not count:
            continue
        _timeline(con, tables, feed)
        mended += count
        whole = con.sql(
            sql("mended").format(
                own=OWN,
                name=IN_PATH.format(name="c.name"),
                columns=", ".join(f'"{name}"' for name in tables.activity.schema.names),
            )
        ).to_arrow_table()
        name = "activity:mended"
        tables.activity.replace(
            [file],
            [whole.cast(tables.activity.schema)],
            app_id=name,
            version=(tables.activity.transaction(name) or 0) + 1,
            metadata={"feed": feed},
        )
    return mended


def _timeline(con: duckdb.DuckDBPyConnection, tables: Tables, feed: str) -> None:
    """Answer where the directories of the torn rows were; their story stands in ``activity`` itself."""
    story = attach(con, tables.activity, files_of(tables.activity.snapshot().files, feed), "story_files")
    run(con, sql("torn_folders").format(own=OWN))
    parent = PARENT.format(parent="parent_guid", guid="guid")
    run(con, sql("story").format(rows=story, feed=literal(feed), parent=parent))
    run(con, sql("story_nodes"))
    guids = con.sql("SELECT guid FROM nodes ORDER BY node").to_arrow_table()["guid"].to_pylist()
    tree = FolderTree(guids, [None] * len(guids), [ROOT] * len(guids), [NEVER] * len(guids))
    answer(con, Timeline(tree, updates(con, "story_steps")), sql("torn_questions").format(own=OWN))
