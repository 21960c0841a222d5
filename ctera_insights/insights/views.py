"""The views of ad-hoc SQL, over the files of one moment's snapshots.

A connection is plain DuckDB. Its views name files, and compaction keeps replaced files for a grace period, so
queries need no lock and see one state; :func:`refresh` moves them on to the newest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ctera_insights import model
from ctera_insights.activity import derived_sources, derived_views
from ctera_insights.activity.relations import files_relation, read_files
from ctera_insights.lake import Lake
from ctera_insights.lake.borders import reading

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    import duckdb

    from ctera_insights.lake import DataFile, Snapshot, Table

_EVENTS: Final = """
SELECT feed, seq, batch, phase, collected_at, collected_on,
       {wire}, extra, epoch
FROM {source}"""

_BATCHES: Final = """
SELECT feed, batch, epoch, phase, coalesce(e.collected_at, q.collected_at) AS collected_at,
       coalesce(events, 0) AS events, coalesce(quarantined, 0) AS quarantined,
       first_seq, last_seq, caught_up, coalesce(e.cursor, q.cursor) AS cursor
FROM (
    SELECT feed, batch, any_value(epoch) AS epoch, any_value(phase) AS phase,
           any_value(collected_at) AS collected_at, count(*) AS events,
           min(seq) AS first_seq, max(seq) AS last_seq,
           any_value(caught_up) AS caught_up, any_value(cursor) AS cursor
    FROM {events}
    GROUP BY feed, batch
) e FULL JOIN (
    SELECT feed, batch, any_value(collected_at) AS collected_at, any_value(cursor) AS cursor,
           count(*) AS quarantined
    FROM {quarantine}
    GROUP BY feed, batch
) q USING (feed, batch)"""

_QUARANTINE: Final = """
SELECT feed, batch, position, reason, raw, cursor, collected_at, collected_on
FROM {source}"""


def connect(
    lake: Lake | str | os.PathLike[str],
    *,
    storage_options: Mapping[str, str] | None = None,
    database: str = ":memory:",
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection whose views show a lake as it is now; times are shown in UTC.

    Args:
        lake: a lake, or its path or URL.
        storage_options: credentials of an object store, as for :class:`~ctera_insights.lake.Lake`.
        database: a DuckDB database to put the views in.

    Raises:
        StoreNotFound: nothing was ever collected there.
        StoreDamaged, StoreRefused, StoreUnreachable: it cannot be read.

    Example:
        >>> connection = connect("data")  # doctest: +SKIP
        >>> connection.sql("SELECT type, count(*) FROM events GROUP BY type")  # doctest: +SKIP
    """
    import duckdb

    lake = lake if isinstance(lake, Lake) else Lake(lake, storage_options)
    with reading(lake.uri, lake):
        connection = duckdb.connect(database)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            refresh(connection, lake)
        except BaseException:
            connection.close()
            raise
    return connection


def refresh(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Point the views at the newest snapshots.

    Raises:
        StoreNotFound: nothing was ever collected there.
    """
    with reading(lake.uri, lake):
        _refresh(connection, lake)


def _refresh(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    derived = derived_sources(lake)  # before the raw events, so that none of it is ahead of them
    relations: dict[str, str] = {}
    # DuckDB reads an object store through datasets, which carry the lake's own credentials.
    datasets = {source.name: source.dataset for source in derived.values()}
    for name, snapshot in _raw_snapshots(lake):
        registered = f"{name}_files"
        relations[name], datasets[registered] = files_relation(snapshot.table, snapshot.files, registered)
    for name, dataset in datasets.items():
        if dataset is not None:
            connection.register(name, dataset)
    for name, select in (_raw_views(relations) | derived_views(lake, derived)).items():
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")


def statements(lake: Lake) -> str:
    """The views as ``CREATE VIEW`` statements for a plain DuckDB shell.

    Raises:
        StoreNotFound: nothing was ever collected there.
    """
    with reading(lake.uri, lake):
        return _statements(lake)


def _statements(lake: Lake) -> str:
    head = ["SET TimeZone = 'UTC';"]
    if not lake.place.local:
        head.append("INSTALL httpfs; LOAD httpfs; -- and CREATE SECRET for the credentials of the store")
    relations = {name: read_files(snap.table, snap.uris()) for name, snap in _raw_snapshots(lake)}
    derived = {
        name: source
        if source.dataset is None
        else replace(source, relation=read_files(source.table, source.uris))
        for name, source in derived_sources(lake).items()
    }
    views = _raw_views(relations) | derived_views(lake, derived)
    return "\n\n".join(
        [*head, *(f"CREATE OR REPLACE VIEW {name} AS{select};" for name, select in views.items())]
    )


def _raw_views(relations: Mapping[str, str]) -> dict[str, str]:
    return {
        "events": _EVENTS.format(wire=", ".join(model.WIRE_FIELDS), source=relations["events"]),
        "batches": _BATCHES.format(**relations),
        "quarantine": _QUARANTINE.format(source=relations["quarantine"]),
    }


def _raw_snapshots(lake: Lake) -> Iterator[tuple[str, Snapshot]]:
    from ctera_insights.lake import Snapshot

    events = lake.events.snapshot()
    yield "events", events
    if not lake.quarantine.exists():
        yield "quarantine", Snapshot(lake.quarantine, 0, [])
        return
    quarantine = lake.quarantine.snapshot()
    committed = [file for file in quarantine.files if _is_committed(lake.events, file)]
    yield "quarantine", Snapshot(lake.quarantine, quarantine.version, committed)


def _is_committed(events: Table, file: DataFile) -> bool:
    """Whether the batch of a quarantine file exists: it is written just before its batch."""
    feed = file.min.get("feed")
    if feed is None or feed != file.max.get("feed"):  # merged files hold committed batches only
        return True
    return (events.delta().transaction_version(feed) or 0) >= (file.max.get("batch") or 0)
