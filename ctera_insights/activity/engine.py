"""The engine: raw rows of some batches and the state before them in, activity and new state out.

It writes nothing. Rows are handled in bulk by DuckDB. Only folders, of which there are few beside files, pass
through Python (:mod:`ctera_insights.activity.tree`), and only those that the rows name, those above them, and
those below one that changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctera_insights import model
from ctera_insights.activity.relations import EXTENSION, IN_PATH, PARENT, one, run, sql
from ctera_insights.activity.tree import NEVER, NOWHERE, ROOT, FolderTree, Place, Timeline, Update

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

OWN: Final = "(c.is_folder AND (c.op <> 'unchanged' OR c.elsewhere))"
"""SQL: whether the place of a change is its own folder's; what changed nothing has its directory's."""
_EXTENSION: Final = EXTENSION.format(folder="c.is_folder", name="c.name")


@dataclass(frozen=True, slots=True)
class Step:
    """Batches of one feed that are handled together.

    Attributes:
        feed: name of the stream.
        low: the last batch before.
        high: the last batch within.
        epoch: number of the inventory that the batches belong to.
        resync: whether they are an inventory that follows an earlier one: what it says is believed, and only
            real differences become activity.
        complete: whether such an inventory is whole, so that what does not stand in it is gone.
        closed_at: when the last batch was sealed.
        ground_us: when batch ``high`` was sealed, microseconds since 1970: what the step stands on.
    """

    feed: str
    low: int
    high: int
    epoch: int = 1
    resync: bool = False
    complete: bool = False
    closed_at: datetime | None = None
    ground_us: int = 0


@dataclass(frozen=True, slots=True)
class Before:
    """SQL of what the engine reads; ``observed`` stands as a table of the connection.

    Attributes:
        events: raw rows.
        objects: current rows of ``objects`` of the feed, unknown ``folder_id`` as -1.
        folders: current rows of ``folders``, likewise.
        objects_rid: highest ``rid`` given in ``objects``.
        folders_rid: highest ``rid`` given in ``folders``.
    """

    events: str
    objects: str
    folders: str
    objects_rid: int = 0
    folders_rid: int = 0


@dataclass(frozen=True, slots=True)
class Derived:
    """What a step adds to each derived table."""

    activity: pa.Table
    objects: pa.Table
    folders: pa.Table


def derive(con: duckdb.DuckDBPyConnection, step: Step, before: Before) -> Derived:
    """Turn the raw rows of a step into activity and new state.

    Args:
        con: where to compute; tables ``raw``, ``states``, ``changes`` and others are replaced on it.
        step: which rows.
        before: the state behind batch ``step.low``, and the raw rows.
    """
    _read(con, step, before)
    _compare(con, step, before)
    run(con, sql("named_folders"))
    tree = _load_folders(con, before)
    answer(con, Timeline(tree, updates(con, "updates")), sql("questions").format(own=OWN))
    activity = con.sql(
        sql("activity").format(
            own=OWN,
            name=IN_PATH.format(name="c.name"),
            old_name=IN_PATH.format(name="c.old_name"),
            extension=_EXTENSION,
        ),
        params={"feed": step.feed, "resync": step.resync},
    ).to_arrow_table()
    return Derived(_as(activity, "activity"), _objects(con, step, before), _folders(con, tree, step, before))


def adopt(con: duckdb.DuckDBPyConnection, step: Step, before: Before) -> Derived:
    """Turn the Portal's answers that are not in the state yet into new state; there is no activity in them.

    Args:
        con: as for :func:`derive`.
        step: an empty one, which tells where the feed stands.
        before: the state there.
    """
    _read(con, step, before)
    _compare(con, step, before)
    run(con, sql("answered_folders").format(folders=before.folders))
    run(con, "CREATE OR REPLACE TEMP TABLE answers (row BIGINT, old BOOLEAN, place BIGINT)")
    tree = _load_folders(con, before)
    objects, folders = _objects(con, step, before), _folders(con, tree, step, before)
    return Derived(model.activity_schema().empty_table(), objects, folders)


def _objects(con: duckdb.DuckDBPyConnection, step: Step, before: Before) -> pa.Table:
    rows = con.sql(
        sql("objects").format(known=before.objects, extension=_EXTENSION),
        params={"feed": step.feed, "high": step.high, "rid": before.objects_rid},
    )
    return _as(rows.to_arrow_table(), "objects")


def _as(table: pa.Table, name: str) -> pa.Table:
    schema: pa.Schema = getattr(model, f"{name}_schema")()
    return table.select(schema.names).cast(schema)


def _read(con: duckdb.DuckDBPyConnection, step: Step, before: Before) -> None:
    run(
        con,
        sql("raw").format(events=before.events, parent=PARENT.format(parent="parent_guid", guid="guid")),
        {"feed": step.feed, "low": step.low, "high": step.high},
    )
    (nameless,) = one(con, "SELECT count(*) FROM raw WHERE folder_id = -1")
    if nameless:  # tombstones may lack the cloud folder: an object known by its guid alone tells it
        run(con, sql("owners").format(objects=before.objects))
    _order(con)
    if step.resync:
        run(con, sql("inventory"))


def _order(con: duckdb.DuckDBPyConnection) -> None:
    """Put the states of each cloud folder in a batch in the order of their changes, among their own places.

    What else a batch holds does not matter: a feed may be divided by cloud folders in one way or another.
    """
    import numpy as np
    import pyarrow as pa

    (timeless,) = one(con, "SELECT count(*) FROM raw WHERE modified IS NULL")
    earlier = "last_value(modified IGNORE NULLS) OVER (PARTITION BY batch, folder_id ORDER BY seq)"
    told = con.sql(sql("stamps").format(time=earlier if timeless else "modified")).to_arrow_table()
    seq, batch, folder, stamp = (_numbers(told, name) for name in ("seq", "batch", "folder_id", "stamp"))
    served = np.argsort(seq, kind="stable")
    served = served[np.argsort(folder[served], kind="stable")]
    seq, batch, folder, stamp = seq[served], batch[served], folder[served], stamp[served]
    if np.all((stamp[1:] >= stamp[:-1]) | (batch[1:] != batch[:-1]) | (folder[1:] != folder[:-1])):
        return
    register(con, "places", pa.table({"seq": seq[np.lexsort((seq, stamp, batch, folder))], "pos": seq}))
    run(con, sql("reordered"))


def _compare(con: duckdb.DuckDBPyConnection, step: Step, before: Before) -> None:
    run(con, sql("named"))
    run(
        con,
        sql("known").format(objects=before.objects, parent=PARENT.format(parent="parent_guid", guid="guid")),
    )
    (busy,) = one(con, "SELECT count(*) FROM busy")
    stale = busy and not step.resync and one(con, sql("stale_possible"))[0]
    run(con, sql("accepted").format(stale=sql("stale") if stale else "false"))
    if busy and one(con, sql("gaps"))[0]:
        run(con, sql("filled"))
    run(con, sql("judged"))
    if busy:
        run(con, sql("solos"))
    run(con, sql("changes").format(solos="solos" if busy else "raw"))
    if step.resync and step.complete:
        (last_pos,) = one(con, "SELECT max(pos) FROM raw")
        if last_pos is None:
            (last_pos,) = one(con, f"SELECT coalesce(max(pos), 0) FROM {before.objects}")  # noqa: S608 - our names
        run(
            con,
            sql("vanished").format(objects=before.objects, folders=before.folders),
            {
                "high": step.high,
                "epoch": step.epoch,
                "closed_at": step.closed_at,
                "last_pos": last_pos,
            },
        )


def _load_folders(con: duckdb.DuckDBPyConnection, before: Before) -> FolderTree:
    """The folders that matter: the ``wanted``, those above them, and those below one that changes."""
    run(con, sql("nodes_empty"))
    _grow(con, before)
    run(con, sql("changing_folders"))
    if one(con, "SELECT count(*) FROM below")[0]:
        run(con, sql("descend").format(folders=before.folders))
    run(con, sql("wanted_below"))
    _grow(con, before)
    rows = con.sql(sql("tree"), params={"root": ROOT, "nowhere": NOWHERE, "never": NEVER}).to_arrow_table()
    return FolderTree(
        rows["guid"].to_pylist(),
        rows["name"].to_pylist(),
        rows["parent"].to_pylist(),
        rows["deleted_pos"].to_pylist(),
    )


def _grow(con: duckdb.DuckDBPyConnection, before: Before) -> None:
    """Add the folders in ``wanted`` and all above them to ``nodes``."""
    if one(con, "SELECT count(*) FROM wanted")[0]:
        run(con, sql("nodes").format(folders=before.folders))


def updates(con: duckdb.DuckDBPyConnection, name: str) -> list[Update]:
    """The updates that ``sql/<name>.sql`` selects."""
    rows = con.sql(sql(name), params={"root": ROOT}).to_arrow_table()
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def answer(con: duckdb.DuckDBPyConnection, timeline: Timeline, questions: str) -> None:
    """Fill the tables ``places`` and ``answers`` (which place belongs to which question)."""
    import pyarrow as pa

    asked = con.sql(questions).to_arrow_table()
    places, answers = timeline.places(
        _numbers(asked, "node"), _numbers(asked, "pos"), before=asked["before"].to_numpy()
    )
    register(con, "places", places_table(places))
    register(
        con,
        "answers",
        pa.table({"row": asked["row"], "old": asked["old"], "place": pa.array(answers, pa.int64())}),
    )


def _numbers(table: pa.Table, column: str) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = table[column].to_numpy()
    return numbers


def places_table(places: list[Place]) -> pa.Table:
    """Places as a table; ``place`` is the index in the list."""
    import pyarrow as pa

    paths, missing, cloud_folders, gone = zip(*places, strict=True) if places else ((), (), (), ())
    return pa.table(
        {
            "place": pa.array(range(len(places)), pa.int64()),
            "path": pa.array(paths, pa.string()),
            "missing": pa.array(missing, pa.string()),
            "cloud_folder": pa.array(cloud_folders, pa.string()),
            "gone_pos": pa.array([None if pos == NEVER else pos for pos in gone], pa.int64()),
        }
    )


def _folders(con: duckdb.DuckDBPyConnection, tree: FolderTree, step: Step, before: Before) -> pa.Table:
    """The new rows of ``folders``: every loaded folder that is new or is not where it was."""
    import pyarrow as pa

    seen = [node for node, name in enumerate(tree.names) if name is not None]
    table = places_table([tree.place(node) for node in seen])
    table = table.append_column("node", pa.array(seen, pa.int64()))
    table = table.append_column("name", pa.array([tree.names[node] for node in seen], pa.string()))
    table = table.append_column("parent", pa.array([tree.parents[node] for node in seen], pa.int64()))
    table = table.append_column(
        "deleted_pos",
        pa.array([p if (p := tree.deleted_pos[node]) != NEVER else None for node in seen], pa.int64()),
    )
    register(con, "seen", table)
    rows = con.sql(
        sql("folders"), params={"feed": step.feed, "high": step.high, "rid": before.folders_rid, "root": ROOT}
    ).to_arrow_table()
    return _as(rows, "folders")


def register(con: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Put an Arrow table on a connection, as a table of its own."""
    con.register("_arrow", table)
    run(con, f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _arrow")  # noqa: S608 - our names
    con.unregister("_arrow")
