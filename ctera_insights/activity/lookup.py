"""Paths for notebooks: all above one event, and paths for many, from the lake alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from ctera_insights import plain
from ctera_insights.activity.relations import EXTENSION, IN_PATH, PARENT, run, sql
from ctera_insights.activity.store import connection
from ctera_insights.activity.views import derived_sources, derived_views
from ctera_insights.errors import AncestorsNotFound, UsageError
from ctera_insights.lake.borders import bordered
from ctera_insights.model import WIRE_FIELDS, Event, directory_of, events_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import pandas as pd
    import pyarrow as pa

    from ctera_insights.activity.ask import Ancestors
    from ctera_insights.lake import Lake

_NEEDED = ("folder_id", "name", "type", "parent_guid")
_ADDED = ("path", "cloud_folder", "extension")
Events = TypeVar("Events", "pd.DataFrame", "pa.Table", "duckdb.DuckDBPyRelation")


@bordered
async def ancestors_async(
    lake: Lake, event: Event | Mapping[str, Any] | tuple[int, str], ask: Ancestors | None = None
) -> list[Event]:
    """The object of an event with all above it as they are now: the cloud folder first, the object last.

    Args:
        lake: an enriched lake.
        event: an event, a row of ``events``, ``activity`` or ``objects``, or ``(folder_id, guid)``.
        ask: asks the Portal when the lake does not know the way up; see
            :func:`ctera_insights.activity.enrich_lake`.

    Raises:
        AncestorsNotFound: a directory on the way up is unknown, to the Portal as well if it was asked.

    Example:
        >>> "/".join(event.name for event in await ancestors(lake, event))  # doctest: +SKIP
        'Projects/2026/plan.docx'
    """
    folder_id, guid = _key(event)
    try:
        return await asyncio.to_thread(_ancestors, lake, folder_id, guid, event)
    except AncestorsNotFound:
        if ask is None:
            raise
    return list(await ask(folder_id, guid))


@bordered
def ancestors(
    lake: Lake, event: Event | Mapping[str, Any] | tuple[int, str], ask: Ancestors | None = None
) -> list[Event]:
    """The plain face of :func:`ancestors_async`, in scripts and notebooks alike."""
    if ask is None:
        return _ancestors(lake, *_key(event), event)
    return plain.run(ancestors_async(lake, event, ask))


def _key(event: Event | Mapping[str, Any] | tuple[int, str]) -> tuple[int, str]:
    if isinstance(event, tuple):
        return event
    if isinstance(event, Event):
        folder_id, guid = event.folder_id, event.guid
    else:  # a mapping, or a row of a frame, which is indexed like one
        folder_id, guid = event["folder_id"], event["guid"]
    if folder_id is None or guid is None:
        raise UsageError("The event tells no folder_id or no guid, so nothing above it can be found.")
    return int(folder_id), str(guid)


def _ancestors(
    lake: Lake, folder_id: int, guid: str, event: Event | Mapping[str, Any] | tuple[int, str]
) -> list[Event]:
    with connection() as con:
        _attach_views(con, lake)
        query = sql("lineage").format(parent=PARENT.format(parent="parent_guid", guid="guid"))
        rows = run(con, query, {"folder_id": folder_id, "guid": guid})
    known = {event.guid: event for event in (Event(**dict(zip(_LINEAGE, row, strict=True))) for row in rows)}
    if not rows and isinstance(event, Event):
        # Not in the lake yet: it goes behind its directory.
        parent = directory_of(guid, event.parent_guid)
        if parent is not None:
            return [*_ancestors(lake, folder_id, parent, (folder_id, parent)), event]
    lineage: list[Event] = []
    step: str | None = guid
    while step is not None and (found := known.pop(step, None)) is not None:
        lineage.append(found)
        step = found.parent_guid
    if step is not None or lineage[-1].type == "file":  # unknown, or one that was passed before
        raise AncestorsNotFound(
            f"{lake.uri} does not know all directories above {guid} of cloud folder {folder_id}. "
            "Enrich it with a Portal to ask, or collect it from the beginning."
        )
    return lineage[::-1]


_LINEAGE = tuple(name for name in WIRE_FIELDS if name not in {"virtual_portal_id", "gvsn"})


@bordered
async def enrich_async(lake: Lake, events: Events) -> Events:
    """Add the columns ``path``, ``cloud_folder`` and ``extension`` to events, in bulk.

    Rows that carry ``feed`` and ``seq``, as those of ``events`` do, get the path as it was at the event;
    others are placed in the tree as it is now, by ``folder_id``, ``parent_guid`` and ``name``. A path begins
    with ``?`` where a directory is unknown.

    Args:
        lake: an enriched lake.
        events: a pandas frame, an Arrow table or a DuckDB relation with at least the columns ``folder_id``,
            ``name``, ``type`` and ``parent_guid``.

    Returns:
        The same rows in the same order, as the same kind of thing.

    Raises:
        UsageError: a column is missing.

    Example:
        >>> enrich(lake, insights.sql("SELECT * FROM events").df())  # doctest: +SKIP
    """
    return await asyncio.to_thread(enrich, lake, events)


@bordered
def enrich(lake: Lake, events: Events) -> Events:
    """The plain face of :func:`enrich_async`, in scripts and notebooks alike."""
    import duckdb
    import pyarrow as pa

    if isinstance(events, duckdb.DuckDBPyRelation):
        return duckdb.from_arrow(_enriched(lake, events.to_arrow_table()))
    if isinstance(events, pa.Table):
        enriched: Events = _enriched(lake, events)
        return enriched
    table = _enriched(lake, pa.Table.from_pandas(events, preserve_index=False))
    frame: pd.DataFrame = events.assign(**{name: table[name].to_pandas().to_numpy() for name in _ADDED})
    return frame


def _enriched(lake: Lake, events: pa.Table) -> pa.Table:
    import pyarrow as pa

    lacking = [name for name in _NEEDED if name not in events.column_names]
    if lacking:
        raise UsageError(
            f"The events lack {', '.join(lacking)}; to find their paths they need {', '.join(_NEEDED)}."
        )
    known = {"feed", "seq"} <= set(events.column_names)
    columns = [*_NEEDED, *(("feed", "seq") if known else ())]
    guids = events["guid"] if "guid" in events.column_names else pa.nulls(len(events), pa.string())
    kinds = {field.name: field.type for field in events_schema()}
    asked = pa.table(
        {
            # Columns without a value may come without a type.
            **{
                name: events[name]
                if events[name].null_count < len(events)
                else pa.nulls(len(events), kinds[name])
                for name in columns
            },
            "guid": guids,
            "row": pa.array(range(len(events)), pa.int64()),
        }
    )
    with connection() as con:
        _attach_views(con, lake)
        con.register("asked", asked)
        found = con.sql(
            sql("enrich").format(
                told="activity" if known else "(SELECT NULL::VARCHAR AS path, NULL::VARCHAR AS cloud_folder)",
                same="a.feed = e.feed AND a.seq = e.seq" if known else "false",
                name=IN_PATH.format(name="e.name"),
                directory=IN_PATH.format(name="e.parent_guid"),
                parent=PARENT.format(parent="parent_guid", guid="guid"),
                extension=EXTENSION.format(folder="e.type <> 'file'", name="e.name"),
            )
        ).to_arrow_table()
    result = events.select([name for name in events.column_names if name not in _ADDED])
    for name in _ADDED:
        result = result.append_column(name, found[name])
    return result


def _attach_views(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    sources = derived_sources(lake)
    for source in sources.values():
        if source.dataset is not None:
            con.register(source.name, source.dataset)
    for name, select in derived_views(lake, sources).items():
        run(con, f"CREATE TEMP VIEW {name} AS {select}")
