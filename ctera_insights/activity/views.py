"""The public views ``activity``, ``objects`` and ``folders`` over the files of the derived tables."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctera_insights import model
from ctera_insights.activity.relations import IN_PATH, files_relation, literal, sql
from ctera_insights.activity.store import DERIVED, app_id, tables
from ctera_insights.errors import StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow.dataset

    from ctera_insights.lake import DataFile, Lake, Table

_TRIES: Final = 20
_PAUSE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Source:
    """What a view reads of one derived table.

    Attributes:
        table: what it is.
        uris: its files.
        name: the relation that the views' SQL names where DuckDB does not read the files itself.
        relation: SQL of the files.
        dataset: to be registered under ``name``, or ``None`` where DuckDB reads the files itself.
        rows: rows of the files.
        beyond: SQL condition that leaves out a step which is being committed; empty when there is none.
        replaced: whether any row replaces another.
    """

    table: Table
    uris: list[str]
    name: str
    relation: str
    dataset: pyarrow.dataset.Dataset | None
    rows: int
    beyond: str
    replaced: bool


def derived_sources(lake: Lake) -> dict[str, Source]:
    """What the views read, by table, all as of the same moment.

    Tables that do not exist count as empty. On an object store each source's ``dataset`` must be registered
    as its ``name`` before the views are made of it.

    Raises:
        StoreDamaged: one of the tables, or its log, is gone while others hold rows.
    """
    all_tables = dict(zip(DERIVED, tables(lake).derived, strict=True))
    missing = [name for name, table in all_tables.items() if not table.exists()]
    if missing:
        _refuse_remainder([table for name, table in all_tables.items() if name not in missing], missing)
        return {name: _source(table, [], {}) for name, table in all_tables.items()}
    for _ in range(_TRIES):
        # The last table of a step is read before and after: when it has not moved, no step came between.
        before = all_tables["folders"].delta(refresh=True).version()
        files = {name: table.snapshot().files for name, table in all_tables.items()}
        if all_tables["folders"].delta(refresh=True).version() == before:
            break
        time.sleep(_PAUSE_S)
    feeds: set[str] = {name for each in files.values() for file in each if (name := file.min.get("feed"))}
    delta = all_tables["folders"].delta()
    marks = {feed: delta.transaction_version(app_id(feed)) or 0 for feed in feeds}
    return {name: _source(table, files[name], marks) for name, table in all_tables.items()}


def _refuse_remainder(there: Sequence[Table], missing: Sequence[str]) -> None:
    holding = [table for table in there if table.snapshot().files]
    if not holding:
        return
    lake = holding[0].place.uri.rpartition("/")[0]
    raise StoreDamaged(
        f"{', '.join(missing)} is gone, or its log is, while {holding[0].name} holds rows. "
        f"`ctera-insights enrich --rebuild --data {lake}` derives it anew."
    )


def derived_views(lake: Lake, sources: Mapping[str, Source] | None = None) -> dict[str, str]:
    """Each view's ``SELECT``.

    Args:
        lake: the lake.
        sources: what :func:`derived_sources` gave, when its datasets have been registered.
    """
    sources = derived_sources(lake) if sources is None else sources
    activity, objects, folders = (sources[name] for name in DERIVED)
    select = sql("view_objects").format(
        objects=_current(objects), folders=_current(folders), name=IN_PATH.format(name="o.name")
    )
    public = ", ".join(f'"{name}"' for name in model.activity_schema().names if name not in _INTERNAL)
    return {
        "activity": f"\nSELECT {public}\nFROM {activity.relation}{activity.beyond}",
        "objects": f"\n{select}",
        "folders": "\n" + sql("view_folders").format(objects=select),
    }


_INTERNAL: Final = ("pos", "missing", "old_missing", "old_parent_guid")


def _source(table: Table, files: list[DataFile], marks: Mapping[str, int]) -> Source:
    within: list[DataFile] = []
    beyond: set[tuple[str, int]] = set()
    for file in files:
        feed: str = file.min.get("feed") or ""
        mark = marks.get(feed, 0) if feed == file.max.get("feed") else None
        if mark is not None and (file.min.get("batch") or 0) > mark:
            continue
        if mark is not None and (file.max.get("batch") or 0) > mark:
            beyond.add((feed, mark))
        within.append(file)
    name = f"{table.name}_files"
    relation, dataset = files_relation(table, within, name)
    condition = " AND ".join(
        f"NOT (feed = {literal(feed)} AND batch > {mark})" for feed, mark in sorted(beyond)
    )
    return Source(
        table=table,
        uris=[file.uri for file in within],
        name=name,
        relation=relation,
        dataset=dataset,
        rows=sum(file.rows for file in within),
        beyond=f"\nWHERE {condition}" if condition else "",
        replaced=any(file.max.get("replaces") is not None for file in within),
    )


def _current(source: Source) -> str:
    """SQL of the rows of a state table that no other row replaces."""
    if not source.replaced:
        return f"(SELECT * FROM {source.relation}{source.beyond})"  # noqa: S608 - our names
    return sql("view_current").format(relation=source.relation, beyond=source.beyond)
