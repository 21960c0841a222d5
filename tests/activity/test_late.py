"""Directories that become known late, from the feed or from the Portal, and those that never do."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ctera_insights.activity import ancestors, ancestors_async, enrich_lake, enrich_lake_plain
from ctera_insights.errors import AncestorsNotFound, PortalUnreachable
from ctera_insights.lake import Lake
from ctera_insights.model import Event
from tests.activity.world import Scene, commit, content, rows

if TYPE_CHECKING:
    from pathlib import Path


class Portal:
    """Answers `ancestors` from a world, and remembers what it was asked."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.asked: Counter[str] = Counter()
        self.under_way = self.busiest = 0
        self.down = False
        self.forgotten: set[str] = set()

    async def ancestors(self, folder_id: int, guid: str) -> list[Event]:
        self.asked[guid] += 1
        self.under_way += 1
        self.busiest = max(self.busiest, self.under_way)
        await asyncio.sleep(0.001)
        self.under_way -= 1
        if self.down:
            raise PortalUnreachable("The Portal is down.")
        lineage = self.scene.feed.ancestors(folder_id, guid)
        if lineage is None or guid in self.forgotten:
            raise AncestorsNotFound("No such object.")
        return [Event(**msgspec.json.decode(entry)) for entry in lineage]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "lake")


def paths(lake: Lake) -> dict[int, str]:
    return {row["seq"]: row["path"] for row in rows(lake, "SELECT seq, path FROM activity")}


def now(lake: Lake) -> dict[str, bool]:
    return {row["path"]: row["deleted"] for row in rows(lake, "FROM objects")}


def hidden_tree(scene: Scene, width: int = 30) -> dict[str, str]:
    """Files in directories of which the feed tells nothing; their paths by guid."""
    world = scene.world
    folders = [scene.root]
    for n in range(width):
        folders.append(world.create(folders[n // 3], f"d{n}", type="folder", at=scene.at()))
    scene.take()
    files = [world.create(folder, f"f{n}", size=n, at=scene.at()) for n, folder in enumerate(folders)]
    return {scene.guid(file): file.path for file in files}


def test_the_portal_is_asked_once_for_each_unknown_directory_and_its_answers_stay(scene: Scene) -> None:
    """Fewer requests than directories, a few at a time; later runs and a rebuild ask nothing."""
    expected = hidden_tree(scene)
    portal = Portal(scene)
    scene.collect()
    summary = enrich_lake_plain(scene.lake, portal.ancestors)
    found = {row["guid"]: row["path"] for row in rows(scene.lake, "FROM activity")}
    assert found == expected
    assert set(portal.asked.values()) == {1}
    assert summary.asked == len(portal.asked) < 31
    assert 1 < portal.busiest <= 8
    assert summary.unknown == 0
    before = content(scene.lake)
    for rebuild in (False, True):
        summary = enrich_lake_plain(scene.lake, portal.ancestors, rebuild=rebuild)
        assert summary.asked == 0
    assert content(scene.lake) == before
    assert {path for path, deleted in now(scene.lake).items() if not deleted} == {
        node.path for node in scene.root.walk()
    }


def test_a_directory_unknown_to_the_portal_is_not_asked_for_again(scene: Scene) -> None:
    """Its path stays marked, in the activity and in the objects."""
    hidden_tree(scene, 1)
    portal = Portal(scene)
    portal.forgotten = {scene.guid(node) for node in scene.root.walk()}
    scene.collect()
    for asked in (2, 0):
        summary = enrich_lake_plain(scene.lake, portal.ancestors)
        assert (summary.asked, summary.unknown) == (asked, 2)
    marked = {f"?/{scene.guid(node)}/f{n}" for n, node in enumerate((scene.root, scene.root.children["d0"]))}
    assert set(paths(scene.lake).values()) == marked
    assert set(now(scene.lake)) == marked


def test_a_portal_that_fails_is_asked_another_time(scene: Scene) -> None:
    """The run succeeds and says what kept it from asking."""
    expected = hidden_tree(scene)
    portal = Portal(scene)
    portal.down = True
    scene.collect()
    summary = enrich_lake_plain(scene.lake, portal.ancestors)
    assert summary.trouble == "The Portal is down."
    assert summary.asked <= 8
    portal.down = False
    summary = enrich_lake_plain(scene.lake, portal.ancestors)
    assert summary.mended == len(expected)
    assert sorted(paths(scene.lake).values()) == sorted(expected.values())


def test_nothing_is_asked_while_the_inventory_is_under_way(scene: Scene) -> None:
    """What is unknown then may be on its way; once it came, its children have their paths."""
    world = scene.world
    docs = world.create(scene.root, "docs", type="folder", at=scene.at())
    world.create(docs, "f", at=scene.at())
    root, folder, file = scene.take()
    portal = Portal(scene)
    scene.commit([file], caught_up=False)
    summary = enrich_lake_plain(scene.lake, portal.ancestors)
    assert paths(scene.lake) == {1: f"?/{folder['guid']}/f"}
    scene.commit([folder], caught_up=False)
    enrich_lake_plain(scene.lake, portal.ancestors)
    scene.commit([root])
    summary = enrich_lake_plain(scene.lake, portal.ancestors)
    assert paths(scene.lake) == {
        1: "Projects/docs/f",
        2: "Projects/docs",
        3: "Projects",
    }
    assert (summary.mended, summary.asked, portal.asked) == (2, 0, Counter())


def test_an_answer_counts_as_the_first_state(scene: Scene) -> None:
    """A directory that the Portal told of, and that the feed tells of later, is renamed, not created."""
    docs = scene.world.create(scene.root, "docs", type="folder", at=scene.at())
    scene.take()
    scene.world.create(docs, "f", at=scene.at())
    portal = Portal(scene)
    scene.collect()
    enrich_lake_plain(scene.lake, portal.ancestors)
    scene.world.rename(docs, "papers", at=scene.at())
    scene.collect()
    enrich_lake_plain(scene.lake, portal.ancestors)
    found = rows(scene.lake, "SELECT op, path, old_path FROM activity ORDER BY seq")
    assert found == [
        {"op": "created", "path": "Projects/docs/f", "old_path": None},
        {"op": "renamed", "path": "Projects/papers", "old_path": "Projects/docs"},
    ]
    assert now(scene.lake) == dict.fromkeys(["Projects", "Projects/papers", "Projects/papers/f"], False)


def state(number: int, name: str, parent: int | None, version: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "folder",
        "guid": f"u:{number}",
        "folder_id": 16,
        "deleted": False,
        "name": name,
        "gvsn": f"u:{version}",
        **({} if parent is None else {"parent_guid": f"u:{parent}"}),
        **more,
    }


def test_folders_moved_into_one_another_end_in_a_marked_path(tmp_path: Path) -> None:
    """A loop is cut at its lowest guid, below and beside it nothing is lost, and it heals.

    A folder that names itself as its parent is in no loop: it is a root."""
    lake = Lake(tmp_path)
    commit(
        lake,
        [
            state(1, "Projects", None, 1),
            state(2, "a", 1, 2),
            state(3, "b", 2, 3),
            state(4, "f", 3, 4, type="file", size=1),
            state(5, "self", 5, 5),
        ],
    )
    enrich_lake_plain(lake)
    commit(lake, [state(2, "a", 3, 6)])
    enrich_lake_plain(lake)
    assert now(lake) == dict.fromkeys(
        ["Projects", "?loop/u:2/a", "?loop/u:2/a/b", "?loop/u:2/a/b/f", "self"], False
    )
    commit(lake, [state(3, "b", 1, 7)])
    enrich_lake_plain(lake)
    assert now(lake) == dict.fromkeys(
        ["Projects", "Projects/b/a", "Projects/b", "Projects/b/f", "self"], False
    )
    assert rows(lake, "SELECT path, old_path FROM activity WHERE seq > 5 ORDER BY seq") == [
        {"path": "?loop/u:2/a", "old_path": "Projects/a"},
        {"path": "Projects/b", "old_path": "?loop/u:2/a/b"},
    ]


def test_missing_roots_and_places_are_marked(tmp_path: Path) -> None:
    """A root that is never told, a file without a directory, a tombstone that tells nothing."""
    lake = Lake(tmp_path)
    commit(
        lake,
        [
            state(2, "docs", 1, 1),
            state(3, "f", 2, 2, type="file", size=1),
            state(4, "lost", None, 3, type="file", size=1),
            {"type": "folder", "guid": "u:5", "folder_id": 16, "deleted": True, "name": "gone"},
            {"type": "file", "guid": "u:6", "deleted": True, "name": "who"},
        ],
    )
    enrich_lake_plain(lake)
    assert list(paths(lake).values()) == ["?/u:1/docs", "?/u:1/docs/f", "?/lost", "?/gone", "?/who"]
    assert now(lake) == {
        "?/u:1/docs": False, "?/u:1/docs/f": False, "?/lost": False, "?/gone": True, "?/who": True
    }  # fmt: skip
    assert rows(lake, "SELECT DISTINCT cloud_folder FROM activity") == [{"cloud_folder": None}]


def test_a_tombstone_without_a_cloud_folder_finds_its_object(tmp_path: Path) -> None:
    """The guid alone tells it, as long as one cloud folder only holds it."""
    lake = Lake(tmp_path)
    commit(lake, [state(1, "Projects", None, 1), state(2, "f", 1, 2, type="file", size=7)])
    commit(lake, [{"type": "file", "guid": "u:2", "deleted": True, "name": "f"}])
    enrich_lake_plain(lake)
    last = rows(lake, "SELECT folder_id, op, path, size_delta FROM activity ORDER BY seq DESC LIMIT 1")
    assert last == [{"folder_id": 16, "op": "deleted", "path": "Projects/f", "size_delta": -7}]
    assert now(lake) == {"Projects": False, "Projects/f": True}


def test_what_lies_below_a_deleted_folder_is_gone_until_told_again(scene: Scene) -> None:
    """Whether the feed lists it or not; a state that is told later stands."""
    world = scene.world
    docs = world.create(scene.root, "docs", type="folder", at=scene.at())
    deep = world.create(docs, "deep", type="folder", at=scene.at())
    world.create(deep, "f", size=3, at=scene.at())
    scene.collect()
    enrich_lake_plain(scene.lake)
    world.delete(docs, at=scene.at(), tombstones="top")
    scene.collect()
    enrich_lake_plain(scene.lake)
    gone = {
        "Projects": False,
        "Projects/docs": True,
        "Projects/docs/deep": True,
        "Projects/docs/deep/f": True,
    }
    assert now(scene.lake) == gone
    assert len(paths(scene.lake)) == 5
    world.restore(docs, at=scene.at())
    scene.commit(scene.take()[:1])  # only the folder itself
    enrich_lake_plain(scene.lake)
    assert now(scene.lake) == dict.fromkeys(gone, False)


async def test_ancestors_of_an_event_come_from_the_lake_and_else_from_the_portal(scene: Scene) -> None:
    """Root first, the object last; as awaitable and as a plain call."""
    world = scene.world
    docs = world.create(scene.root, "docs", type="folder", at=scene.at())
    file = world.create(docs, "f", size=3, at=scene.at())
    await asyncio.to_thread(scene.collect)
    await enrich_lake(scene.lake)
    world.rename(docs, "papers", at=scene.at())
    await asyncio.to_thread(scene.collect)
    await enrich_lake(scene.lake)
    uid = scene.root.cloud_folder.uid
    for event in (
        (uid, scene.guid(file)),
        Event(type="file", guid=scene.guid(file), folder_id=uid),
        {"folder_id": uid, "guid": scene.guid(file)},
    ):
        found = await ancestors_async(scene.lake, event)
        assert [each.name for each in found] == ["Projects", "papers", "f"]
    assert (found[-1].size, found[-1].type, found[0].parent_guid) == (3, "file", None)
    fresh = Event(type="file", guid="new:1", name="new", folder_id=uid, parent_guid=scene.guid(docs))
    found = await asyncio.to_thread(ancestors, scene.lake, fresh)
    assert [each.name for each in found] == ["Projects", "papers", "new"]
    hidden = world.create(world.create(scene.root, "h", type="folder", at=scene.at()), "g", at=scene.at())
    with pytest.raises(AncestorsNotFound):
        await ancestors_async(scene.lake, (uid, scene.guid(hidden)))
    asked = await ancestors_async(scene.lake, (uid, scene.guid(hidden)), Portal(scene).ancestors)
    assert [each.name for each in asked] == ["Projects", "h", "g"]
