"""The world: every operation publishes the states that a Portal would list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ctera_insights.simulator import Feed, World
from ctera_insights.simulator.world import StartIds

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def world() -> Iterator[World]:
    made = World(Feed(), portal_uuid="52d98ffe-282a-45ac-8ddb-3bf1dfbb0d80")
    yield made
    made.feed.close()


def published(world: World, start: int = 0) -> list[dict[str, Any]]:
    return [msgspec.json.decode(raw) for raw in world.feed.log(start)]


def test_a_state_has_exactly_the_wires_keys_and_their_types(world: World) -> None:
    """Of a file with everything, and of a root without a parent."""
    root = world.cloud_folder("Research", at=WHEN)
    world.create(root, "a.txt", size=5, at=WHEN, file_timestamp=WHEN - timedelta(days=1), acl="O:BAG:BA")
    first, second = published(world)
    uuid = "52d98ffe-282a-45ac-8ddb-3bf1dfbb0d80"
    assert first == {
        "type": "folder",
        "guid": f"{uuid}:501",
        "folder_id": 16,
        "deleted": False,
        "name": "Research",
        "file_timestamp": "2026-03-01T09:30:00Z",
        "portal_modified_date": "2026-03-01T09:30:00Z",
        "virtual_portal_id": "5",
        "size": 0,
        "id": 14391,
        "gvsn": f"{uuid}:1",
    }
    assert second == {
        "type": "file",
        "guid": f"{uuid}:502",
        "folder_id": 16,
        "deleted": False,
        "name": "a.txt",
        "file_timestamp": "2026-02-28T09:30:00Z",
        "portal_modified_date": "2026-03-01T09:30:00Z",
        "virtual_portal_id": "5",
        "size": 5,
        "id": 14392,
        "gvsn": f"{uuid}:2",
        "parent_guid": f"{uuid}:501",
        "acl": "O:BAG:BA",
    }


def test_an_object_keeps_its_guid_and_id_through_every_change(world: World) -> None:
    """Write, rename, move, new permissions: only the version stamp is new each time."""
    root = world.cloud_folder("Research")
    folder = world.create(root, "docs", type="folder")
    node = world.create(root, "a.txt", size=5)
    world.write(node, size=9)
    world.rename(node, "b.txt")
    world.move(node, folder)
    world.move(node, root, "c.txt")
    world.set_acl(node, "D:(A;;FA;;;WD)")
    states = published(world, 2)
    assert len({each["guid"] for each in states}) == len({each["id"] for each in states}) == 1
    assert len({each["gvsn"] for each in states}) == len(states) == 6
    assert [each["name"] for each in states] == ["a.txt", "a.txt", "b.txt", "b.txt", "c.txt", "c.txt"]
    assert states[3]["parent_guid"] == world.guid(folder.ordinal)
    assert [each["size"] for each in states] == [5, 9, 9, 9, 9, 9]
    assert states[-1]["acl"] == "D:(A;;FA;;;WD)"
    assert node.path == "Research/c.txt"


def test_a_renamed_directory_is_one_state(world: World) -> None:
    """What is below it gets none, but has a new path."""
    root = world.cloud_folder("Research")
    folder = world.create(root, "docs", type="folder")
    node = world.create(folder, "a.txt")
    before = len(world.feed)
    world.rename(folder, "papers")
    assert len(world.feed) == before + 1
    assert node.path == "Research/papers/a.txt"
    assert world.find("Research/papers/a.txt") is node
    assert world.find("Research/docs/a.txt") is None


def test_a_cloud_folder_can_be_renamed(world: World) -> None:
    """Its root has no parent, and may take any name."""
    root = world.cloud_folder("Research")
    world.rename(root, "Development")
    assert published(world)[-1]["name"] == "Development"
    assert world.find("Development") is root


def test_deleting_a_directory_tells_of_everything_below_it(world: World) -> None:
    """By default; with ``top`` of the directory alone, and the inventory still has nothing below it."""
    for tombstones in ("all", "top"):
        root = world.cloud_folder(f"Folder {tombstones}")
        folder = world.create(root, "docs", type="folder")
        world.create(folder, "a.txt")
        world.create(world.create(folder, "deep", type="folder"), "b.txt")
        before = len(world.feed)
        world.delete(folder, tombstones=tombstones)
        states = published(world, before)
        assert [each["name"] for each in states] == (
            ["docs", "a.txt", "deep", "b.txt"] if tombstones == "all" else ["docs"]
        )
        assert all(each["deleted"] for each in states)
        assert world.find(f"Folder {tombstones}/docs") is None
    listed = msgspec.json.decode(world.feed.page(None, [], 2000))["entries"]
    assert [each["name"] for each in listed] == ["Folder all", "Folder top"]


@pytest.mark.parametrize("tombstones", ["all", "top"])
def test_restoring_brings_everything_back_with_the_same_guids(world: World, tombstones: Any) -> None:
    """And only what is deleted can be restored, where its name is free."""
    root = world.cloud_folder("Research")
    folder = world.create(root, "docs", type="folder")
    world.create(folder, "a.txt")
    before = msgspec.json.decode(world.feed.page(None, [], 2000))["entries"]
    world.delete(folder, tombstones=tombstones)
    world.restore(folder)
    after = msgspec.json.decode(world.feed.page(None, [], 2000))["entries"]
    assert [each["guid"] for each in after] == [each["guid"] for each in before]
    assert world.find("Research/docs/a.txt") is not None
    with pytest.raises(ValueError, match="not deleted"):
        world.restore(folder)
    world.delete(folder)
    world.create(root, "docs")
    with pytest.raises(ValueError, match="already"):
        world.restore(folder)


def test_a_move_to_another_cloud_folder_makes_new_objects(world: World) -> None:
    """The old ones are deleted, a whole directory at once."""
    here, there = world.cloud_folder("Here"), world.cloud_folder("There")
    folder = world.create(here, "docs", type="folder")
    world.create(folder, "a.txt", size=7)
    before = len(world.feed)
    moved = world.move(folder, there)
    assert moved.path == "There/docs"
    states = [(each["name"], each["deleted"], each["folder_id"]) for each in published(world, before)]
    assert states == [
        ("docs", False, 17),
        ("a.txt", False, 17),
        ("docs", True, 16),
        ("a.txt", True, 16),
    ]


def test_names_are_any_text_that_a_file_can_have(world: World) -> None:
    """Emoji, newlines, quotes; a lone surrogate becomes U+FFFD, also when it is looked for."""
    root = world.cloud_folder("Research 🔬")
    for name in ("π 🎉.txt", "two\nlines", '"quoted" \\ back', "a\x01b", "caf\udce9", " "):
        node = world.create(root, name)
        assert published(world)[-1]["name"] == name.replace("\udce9", "\ufffd")
        assert world.find(f"Research 🔬/{name}") is node


def test_what_cannot_be_is_refused(world: World) -> None:
    """And publishes nothing."""
    root = world.cloud_folder("Research")
    folder = world.create(root, "docs", type="folder")
    below = world.create(folder, "below", type="folder")
    file = world.create(root, "a.txt")
    gone = world.create(root, "gone")
    world.delete(gone)
    before = len(world.feed)
    for attempt, reason in (
        (lambda: world.create(root, "docs"), "already"),
        (lambda: world.create(root, "a/b"), "slash"),
        (lambda: world.create(root, ""), "no name"),
        (lambda: world.create(file, "x"), "is a file"),
        (lambda: world.create(gone, "x"), "no longer exists"),
        (lambda: world.write(gone, size=1), "no longer exists"),
        (lambda: world.rename(file, "docs"), "already"),
        (lambda: world.move(folder, below), "below itself"),
        (lambda: world.move(folder, folder), "below itself"),
        (lambda: world.move(file, None), "root of a cloud folder"),
        (lambda: world.create(root, "x", at=datetime(2026, 1, 1)), "no time zone"),  # noqa: DTZ001
        (lambda: world.cloud_folder("Again", uid=16), "uid 16"),
    ):
        with pytest.raises(ValueError, match=reason):
            attempt()
    assert len(world.feed) == before
    assert world.find("Research/x") is None


def test_times_are_told_in_utc_with_a_fraction_only_when_there_is_one(world: World) -> None:
    """Whatever zone they come in."""
    root = world.cloud_folder("Research", at=WHEN)
    node = world.create(root, "a", at=WHEN.astimezone(timezone(timedelta(hours=2))))
    world.write(node, size=1, at=WHEN + timedelta(microseconds=1500))
    times = [each["portal_modified_date"] for each in published(world, 1)]
    assert times == ["2026-03-01T09:30:00Z", "2026-03-01T09:30:00.001500Z"]


def test_cloud_folders_have_owners_tenants_and_numbers(world: World) -> None:
    """A number asked for is kept free from then on; accounts are made once."""
    chosen = world.cloud_folder("A", uid=17, owner="ann", domain="acme.com", tenant="9")
    others = [world.cloud_folder(name, owner="ann").cloud_folder for name in ("B", "C")]
    assert chosen.cloud_folder.uid == 17
    assert [each.uid for each in others] == [16, 18]
    assert others[0].owner is others[1].owner
    assert chosen.cloud_folder.owner != others[0].owner
    assert published(world)[0]["virtual_portal_id"] == "9"
    assert world.register("No objects", uid=40).webdav_path == "svc/No%20objects"
    assert len(world.feed) == 3


def test_numbers_begin_where_one_says() -> None:
    """For worlds that stand beside each other."""
    world = World(Feed(), start_ids=StartIds(ordinal=1, file=2, cloud_folder=3, account=4))
    folder = world.cloud_folder("A").cloud_folder
    state = published(world)[0]
    assert (state["guid"].rpartition(":")[2], state["id"]) == ("1", 2)
    assert (folder.uid, folder.owner.uid) == (3, 4)
