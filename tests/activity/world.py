"""Feeding a lake without a Portal: the states of a simulated world, in pages as one likes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec

from ctera_insights.activity import derived_sources, derived_views
from ctera_insights.lake import FeedWriter, Lake
from ctera_insights.portal.pages import decode_page
from ctera_insights.simulator import Feed, Node, World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FEED = "portal.example/admin"


class Scene:
    """A world with one cloud folder, a lake, and the way from the one to the other."""

    def __init__(self, path: Path, cloud_folder: str = "Projects") -> None:
        self.path = path
        self.lake = Lake(path)
        self.feed = Feed()
        self.world = World(self.feed)
        self._now = datetime(2026, 3, 1, tzinfo=UTC)
        self.root = self.world.cloud_folder(cloud_folder, at=self.at())
        self.taken = 0

    def at(self) -> datetime:
        """A new moment, a second behind the last."""
        self._now += timedelta(seconds=1)
        return self._now

    def guid(self, node: Node) -> str:
        return self.world.guid(node.ordinal)

    def feed_entries(self) -> list[dict[str, Any]]:
        """All entries published so far."""
        return [msgspec.json.decode(entry) for entry in self.feed.log()]

    def take(self) -> list[dict[str, Any]]:
        """The entries published since the last call."""
        raw = list(self.feed.log(self.taken))
        self.taken += len(raw)
        return [msgspec.json.decode(entry) for entry in raw]

    def commit(
        self, entries: Iterable[dict[str, Any]], *, caught_up: bool = True, restart: bool = False
    ) -> None:
        """Commit entries as one batch of one page."""
        commit(self.lake, entries, caught_up=caught_up, restart=restart)

    def collect(self) -> None:
        """Commit what was published since the last call."""
        self.commit(self.take())


def commit(
    lake: Lake,
    entries: Iterable[dict[str, Any]],
    *,
    caught_up: bool = True,
    restart: bool = False,
    feed: str = FEED,
) -> None:
    body = msgspec.json.encode({"has_more": not caught_up, "cursor": "c", "entries": list(entries)})
    page = decode_page(body)
    assert not page.rejects
    with FeedWriter(lake, feed) as writer:
        if restart:
            writer.restart()
        writer.commit([page.table()] if len(page) else [], [], cursor="c", caught_up=caught_up)


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """The three views, as anyone makes them."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    sources = derived_sources(lake)
    for source in sources.values():
        if source.dataset is not None:
            connection.register(source.name, source.dataset)
    for name, select in derived_views(lake, sources).items():
        connection.execute(f"CREATE VIEW {name} AS {select}").fetchall()
    return connection


def rows(lake: Lake, query: str) -> list[dict[str, Any]]:
    """The rows of a query over the views."""
    with connect(lake) as connection:
        return connection.sql(query).to_arrow_table().to_pylist()


def content(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the views show, in an order of its own."""
    with connect(lake) as connection:
        return {
            view: sorted(
                (tuple(row.values()) for row in connection.sql(f"FROM {view}").to_arrow_table().to_pylist()),
                key=repr,
            )
            for view in ("activity", "objects", "folders")
        }
