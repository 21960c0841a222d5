"""Two Portals in one store give the same ids to different things: an object is one of its feed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctera_insights import Insights
from ctera_insights.activity import enrich_lake_plain
from ctera_insights.lake import Lake
from tests.activity.world import commit

if TYPE_CHECKING:
    from pathlib import Path

STAMP = "2026-02-01T00:0{minute}:00Z"


def entry(guid: str, name: str, minute: int, **more: object) -> dict[str, Any]:
    return {
        "type": "file",
        "guid": guid,
        "folder_id": 1,
        "deleted": False,
        "name": name,
        "parent_guid": "root",
        "size": 10,
        "file_timestamp": STAMP.format(minute=0),
        "portal_modified_date": STAMP.format(minute=minute),
        **more,
    }


def test_objects_of_two_portals_are_not_taken_for_one(tmp_path: Path) -> None:
    """Each changes its file once, and deletes and restores it once."""
    lake = Lake(tmp_path)
    for tenant in ("Alpha", "Beta"):
        root = entry("root", tenant, 0, type="folder", parent_guid=None, size=None)
        commit(lake, [root, entry("f", f"{tenant}.txt", 0)], feed=tenant)
        commit(lake, [entry("f", f"{tenant}.txt", 1, size=11)], feed=tenant)
        commit(lake, [entry("f", f"{tenant}.txt", 2, size=11, deleted=True)], feed=tenant)
        commit(lake, [entry("f", f"{tenant}.txt", 3, size=11)], feed=tenant)
    enrich_lake_plain(lake)
    with Insights(tmp_path) as insights:
        hot = insights.hot_files().df()
        assert set(zip(hot.path, hot.events, strict=True)) == {("Alpha/Alpha.txt", 3), ("Beta/Beta.txt", 3)}
        assert insights.overview().df().cloud_folders[0] == 2
        assert len(insights.restores().df()) == 2
        operations = insights.operations().df()
        assert set(zip(operations.op, operations.objects, strict=True)) == {
            ("modified", 2),
            ("deleted", 2),
            ("restored", 2),
        }
        assert set(insights.path_history("Beta/Beta.txt").df().path) == {"Beta/Beta.txt"}
