"""A cloud folder's root is one however the feed says so: no parent, an empty one, or itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ctera_insights import Insights
from ctera_insights.activity import ancestors, enrich, enrich_lake_plain
from ctera_insights.lake import Lake
from ctera_insights.model import Event
from tests.activity.world import commit, connect, content, rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.parametrize("parent", [None, "", "u:1"], ids=["none", "empty", "itself"])


def folder(guid: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": "folder", "guid": guid, "folder_id": 16, "deleted": False, "name": name, **more}


def told(parent: str | None) -> list[dict[str, Any]]:
    return [
        folder("u:1", "Team", parent_guid=parent),
        folder("u:2", "docs", parent_guid="u:1"),
        {**folder("u:3", "a.txt", parent_guid="u:2"), "type": "file", "size": 5},
    ]


def test_paths_begin_at_it(tmp_path: Path, parent: str | None) -> None:
    lake = Lake(tmp_path)
    commit(lake, told(parent))
    enrich_lake_plain(lake)
    for view in ("activity", "objects"):
        assert {row["path"] for row in rows(lake, f"FROM {view}")} == {"Team", "Team/docs", "Team/docs/a.txt"}
    assert {row["cloud_folder"] for row in rows(lake, "FROM activity")} == {"Team"}
    before = content(lake)
    enrich_lake_plain(lake, rebuild=True)
    assert content(lake) == before


def test_a_rename_of_it_is_a_rename(tmp_path: Path, parent: str | None) -> None:
    """Told with another word for "no parent" than before."""
    lake = Lake(tmp_path)
    commit(lake, told(parent))
    enrich_lake_plain(lake)
    for n, (name, other) in enumerate([("Crew", None), ("Gang", ""), ("Band", "u:1")]):
        commit(lake, [folder("u:1", name, parent_guid=other, gvsn=f"u:{n + 5}")])
    enrich_lake_plain(lake)
    assert [row["op"] for row in rows(lake, "FROM activity WHERE seq > 3 ORDER BY seq")] == ["renamed"] * 3
    assert rows(lake, "FROM objects WHERE type = 'file'")[0]["path"] == "Band/docs/a.txt"


def test_the_way_up_ends_at_it(tmp_path: Path, parent: str | None) -> None:
    lake = Lake(tmp_path)
    commit(lake, told(parent))
    enrich_lake_plain(lake)
    new = Event(type="file", guid="u:9", name="new", folder_id=16, parent_guid="u:2")
    assert [event.name for event in ancestors(lake, (16, "u:3"))] == ["Team", "docs", "a.txt"]
    assert [event.name for event in ancestors(lake, new)] == ["Team", "docs", "new"]
    with connect(lake) as con:
        found = con.sql(
            "SELECT folder_id, guid, name, type, $parent AS parent_guid FROM objects WHERE guid = 'u:1'",
            params={"parent": parent},
        ).to_arrow_table()
    assert enrich(lake, found).to_pylist()[0]["path"] == "Team"


def test_it_may_be_what_the_portal_answers(tmp_path: Path, parent: str | None) -> None:
    lake = Lake(tmp_path)
    commit(lake, told(parent)[2:])

    async def ask(folder_id: int, guid: str) -> list[Event]:
        assert (folder_id, guid) == (16, "u:2")
        return [
            Event(
                type="folder",
                guid="u:1",
                name="Team",
                folder_id=16,
                parent_guid=parent,
                file_timestamp="0001-01-01T00:00:00+01:00",
            ),
            Event(type="folder", guid="u:2", name="docs", folder_id=16, portal_modified_date="1712101500000"),
        ]

    enrich_lake_plain(lake, ask)
    assert {row["path"] for row in rows(lake, "FROM objects")} == {"Team", "Team/docs", "Team/docs/a.txt"}
    assert rows(lake, "SELECT DISTINCT path FROM activity") == [{"path": "Team/docs/a.txt"}]


def test_the_explorer_counts_below_it(tmp_path: Path, parent: str | None) -> None:
    lake = Lake(tmp_path)
    commit(lake, told(parent))
    enrich_lake_plain(lake)
    with Insights(tmp_path) as insights:
        (folder_row,) = (
            insights.sql("SELECT path, depth, parent_guid FROM folders WHERE guid = 'u:1'")
            .arrow()
            .to_pylist()
        )
        assert folder_row == {"path": "Team", "depth": 0, "parent_guid": None}
