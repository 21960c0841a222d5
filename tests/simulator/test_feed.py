"""The feed: pages, cursors, inventories, long-polls, ancestors."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctera_insights.simulator import Feed, Node, World
from ctera_insights.simulator.cursors import CursorNotAccepted
from ctera_insights.simulator.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator


def entry(number: int, *, folder: int = 16, **more: Any) -> dict[str, Any]:
    state = {
        "type": "file",
        "guid": f"u:{number}",
        "folder_id": folder,
        "deleted": False,
        "name": f"n{number}",
    }
    return state | more


def page(feed: Feed, cursor: str | None = None, ids: tuple[int, ...] = (), n: int = 2000) -> dict[str, Any]:
    return msgspec.json.decode(feed.page(cursor, ids, n))


def drain(feed: Feed, cursor: str | None = None, ids: tuple[int, ...] = (), n: int = 2000) -> list[Any]:
    """List until a long-poll would have to wait, as a client does."""
    entries: list[Any] = []
    while True:
        answer = page(feed, cursor, ids, n)
        entries += answer["entries"]
        cursor = answer["cursor"]
        if not answer["has_more"] and not feed.has_changes(cursor, ids):
            return entries


def names(answer: dict[str, Any] | list[Any]) -> list[str]:
    return [each["name"] for each in (answer["entries"] if isinstance(answer, dict) else answer)]


def test_null_and_empty_cursor_list_from_the_beginning() -> None:
    """Both stand for the beginning."""
    feed = Feed()
    feed.publish(entry(1))
    assert page(feed, None) == page(feed, "")
    assert names(page(feed)) == ["n1"]


def test_an_empty_feed_answers_an_empty_page_with_a_cursor_that_goes_on() -> None:
    """Nothing yet is an answer too."""
    feed = Feed()
    first = page(feed)
    assert (first["entries"], first["has_more"]) == ([], False)
    feed.publish(entry(1))
    assert names(page(feed, first["cursor"])) == ["n1"]


@pytest.mark.parametrize("inventory", ["start", "now"])
def test_pages_follow_each_other_without_gap_or_repetition(inventory: Any) -> None:
    """Any page size gives the same entries."""
    feed = Feed(inventory=inventory)
    for number in range(1, 12):
        feed.publish(entry(number))
    for size in (1, 2, 5, 11, 2000):
        assert names(drain(feed, n=size)) == [f"n{number}" for number in range(1, 12)]
    answer = page(feed, n=5)
    assert (len(answer["entries"]), answer["has_more"]) == (5, True)


def test_a_page_of_no_results_says_that_there_is_more() -> None:
    """``max_results`` 0 lists nothing and stays where it is."""
    feed = Feed(inventory="start")
    feed.publish(entry(1))
    answer = page(feed, n=0)
    assert (answer["entries"], answer["has_more"]) == ([], True)
    assert names(page(feed, answer["cursor"])) == ["n1"]


def test_the_inventory_of_now_has_living_objects_once_in_their_latest_state() -> None:
    """Earlier states and deleted objects are not listed."""
    feed = Feed()
    feed.publish(entry(1))
    feed.publish(entry(2))
    feed.publish(entry(1, name="renamed"))
    feed.publish(entry(2, deleted=True))
    assert names(page(feed)) == ["renamed"]


def test_what_changes_during_an_inventory_comes_once_from_the_log() -> None:
    """Each object is told in its latest state exactly once, and its deletion is told."""
    feed = Feed()
    for number in range(1, 6):
        feed.publish(entry(number))
    first = page(feed, n=2)
    feed.publish(entry(1, name="first again"))
    feed.publish(entry(4, name="changed before listed"))
    feed.publish(entry(5, deleted=True))
    feed.publish(entry(6))
    rest = drain(feed, first["cursor"], n=2)
    assert names(first) == ["n1", "n2"]
    assert names(rest) == ["n3", "first again", "changed before listed", "n5", "n6"]
    assert [each["deleted"] for each in rest] == [False, False, False, True, False]


def test_the_inventory_of_the_start_ends_where_the_live_part_begins() -> None:
    """Its last page says that there is no more; a long-poll says otherwise; every client sees the same."""
    feed = Feed(inventory="start")
    feed.publish(entry(1))
    feed.publish(entry(2))
    feed.begin_live()
    feed.publish(entry(1, name="later"))
    first = page(feed)
    assert (names(first), first["has_more"]) == (["n1", "n2"], False)
    assert feed.has_changes(first["cursor"], [])
    assert names(page(feed, first["cursor"])) == ["later"]
    assert names(drain(feed)) == ["n1", "n2", "later"]


def test_an_empty_inventory_is_an_empty_page() -> None:
    """What came after it is not part of it."""
    feed = Feed(inventory="start")
    feed.begin_live()
    feed.publish(entry(1))
    first = page(feed)
    assert (first["entries"], first["has_more"]) == ([], False)
    assert names(page(feed, first["cursor"])) == ["n1"]


@pytest.mark.parametrize("inventory", ["start", "now"])
def test_only_the_chosen_cloud_folders_are_listed(inventory: Any) -> None:
    """The filter holds for the inventory, the log, and what is said about more."""
    feed = Feed(inventory=inventory)
    for number in range(1, 10):
        feed.publish(entry(number, folder=16 + number % 3))
    feed.begin_live()
    for number in range(1, 10):
        feed.publish(entry(number, folder=16 + number % 3, name=f"v{number}"))
    expected = [name for name in names(drain(feed)) if int(name[1:]) % 3 in {0, 2}]
    assert names(drain(feed, ids=(16, 18), n=2)) == expected
    assert drain(feed, ids=(99,)) == []


def test_a_tombstone_without_a_cloud_folder_belongs_to_the_one_of_its_object() -> None:
    """A filter does not lose it."""
    feed = Feed(inventory="start")
    feed.publish(entry(1, folder=17))
    feed.publish({"type": "file", "guid": "u:1", "deleted": True, "name": "n1"})
    assert len(drain(feed, ids=(17,))) == 2


def test_a_cursor_has_the_shape_of_a_real_one() -> None:
    """Base64 of JSON with the set of cloud folders, which grows with the set."""
    import base64

    feed = Feed()
    cursor = page(feed, ids=(15, 20))["cursor"]
    outer = msgspec.json.decode(base64.b64decode(cursor))
    assert set(outer) == {"cursor", "folderIds", "resetFolderIds"}
    assert outer["folderIds"] == [20, 15]
    assert set(msgspec.json.decode(outer["cursor"])) == {"cloudFoldersCursor", "filesCursor"}
    assert len(page(feed, ids=tuple(range(50)))["cursor"]) > len(cursor) + 100


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        ("garbage!", "cannot be read"),
        ("e30=", "cannot be read"),
        ("MTc=", "cannot be read"),
        (Feed().page(None, [], 1).split(b'"')[5].decode(), "another feed"),
    ],
)
def test_a_cursor_that_is_not_its_own_is_refused(cursor: str, reason: str) -> None:
    """Damaged or of another feed."""
    feed = Feed()
    with pytest.raises(CursorNotAccepted, match=reason):
        feed.page(cursor, [], 10)
    with pytest.raises(CursorNotAccepted, match=reason):
        feed.has_changes(cursor, [])


def test_a_cursor_is_refused_with_another_set_of_cloud_folders() -> None:
    """The set is part of the cursor; its order is not."""
    feed = Feed()
    cursor = page(feed, ids=(16, 17))["cursor"]
    page(feed, cursor, ids=(17, 16))
    with pytest.raises(CursorNotAccepted, match="another set"):
        page(feed, cursor, ids=(16,))


def test_an_expired_cursor_is_refused() -> None:
    """Those from before the position are; those at it are not."""
    feed = Feed(inventory="start")
    early = page(feed)["cursor"]
    feed.publish(entry(1))
    late = page(feed, early)["cursor"]
    feed.expire_before(1)
    with pytest.raises(CursorNotAccepted, match="expired"):
        page(feed, early)
    assert page(feed, late)["entries"] == []


def test_cursors_survive_a_new_process_when_the_content_is_the_same() -> None:
    """An identity makes a feed accept the cursors of its twin, as far as its history reaches."""

    def feed() -> Feed:
        made = Feed(identity="scenario:7", inventory="start")
        made.continue_with(History(made.publish(entry(number)) for number in range(1, 6)))
        return made

    first, second = feed(), feed()
    cursor = page(first, n=3)["cursor"]
    assert names(page(second, cursor)) == ["n4", "n5"]
    other = Feed(identity="scenario:8")
    with pytest.raises(CursorNotAccepted, match="another feed"):
        page(other, cursor)
    shorter = Feed(identity="scenario:7")
    with pytest.raises(CursorNotAccepted, match="later time"):
        page(shorter, cursor)


def test_history_is_pulled_only_as_far_as_a_client_reads() -> None:
    """A scenario of millions starts at once."""
    feed = Feed(inventory="start")
    feed.continue_with(History(feed.publish(entry(number)) for number in range(1, 1_000_000_000)))
    assert len(page(feed, n=10)["entries"]) == 10
    assert len(feed) == 11


def test_a_failing_history_fails_every_later_reader() -> None:
    """A source that breaks is not taken for one that has ended."""

    def history() -> Iterator[None]:
        feed.publish(entry(1))
        yield
        raise OSError("the repository is gone")

    feed = Feed(inventory="start")
    feed.continue_with(History(history()))
    with pytest.raises(OSError, match="gone"):
        feed.page(None, [], 10)
    with pytest.raises(RuntimeError, match="failed"):
        feed.page(None, [], 10)


def test_a_guid_needs_a_number_of_its_own() -> None:
    """What cannot be indexed is refused when it is published."""
    feed = Feed()
    with pytest.raises(ValueError, match="invalid literal"):
        feed.publish(entry(1) | {"guid": "no number"})
    feed.publish(entry(100))
    with pytest.raises(ValueError, match="out of range"):
        feed.publish(entry(99))
    with pytest.raises(ValueError, match="out of range"):
        feed.publish(entry(100_000_000))


def test_a_hidden_object_is_not_part_of_an_inventory() -> None:
    """Though no state told of its end."""
    feed = Feed()
    feed.publish(entry(1))
    feed.publish(entry(2))
    feed.hide(1)
    assert names(page(feed)) == ["n2"]


def test_ancestors_come_root_first_and_the_object_last() -> None:
    """In their latest states."""
    feed = Feed()
    feed.publish(entry(1, type="folder", name="Projects"))
    feed.publish(entry(2, type="folder", name="old", parent_guid="u:1"))
    feed.publish(entry(3, name="plan.txt", parent_guid="u:2"))
    feed.publish(entry(2, type="folder", name="new", parent_guid="u:1"))
    chain = feed.ancestors(16, "u:3")
    assert chain is not None
    assert [msgspec.json.decode(each)["name"] for each in chain] == ["Projects", "new", "plan.txt"]
    assert feed.ancestors(17, "u:3") is None
    assert feed.ancestors(16, "u:9") is None
    assert feed.ancestors(16, "other:3") is None
    assert feed.ancestors(16, "nonsense") is None


def test_the_log_is_everything_in_order() -> None:
    """For those who compare."""
    feed = Feed()
    for number in range(1, 5001):
        feed.publish(entry(number))
    assert [msgspec.json.decode(raw)["name"] for raw in feed.log()] == [f"n{i}" for i in range(1, 5001)]
    assert len(list(feed.log(10, 20))) == 10


def test_readers_and_publishers_do_not_disturb_each_other() -> None:
    """Several threads each: every reader gets every state once, in order."""
    feed = Feed(inventory="start")
    publishers, states = 3, 4000
    done = threading.Event()

    def publish(number: int) -> None:
        for version in range(states):
            feed.publish(entry(number + 1, folder=number, version=version))

    def read_all(ids: tuple[int, ...], into: list[Any]) -> None:
        cursor, last = None, False
        while not last:
            last = done.is_set()
            answer = page(feed, cursor, ids, 97)
            into += [(each["folder_id"], each["version"]) for each in answer["entries"]]
            cursor, last = answer["cursor"], last and not answer["has_more"]

    feed.publish(entry(1, folder=9, version=0))
    seen: list[list[Any]] = [[], []]
    readers = [threading.Thread(target=read_all, args=(ids, seen[i])) for i, ids in enumerate([(), (1,)])]
    writers = [threading.Thread(target=publish, args=(number,)) for number in range(publishers)]
    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    for number in range(publishers):
        assert [v for folder, v in seen[0] if folder == number] == list(range(states))
    assert seen[1] == [(1, version) for version in range(states)]


async def test_a_long_poll_answers_at_once_when_something_is_listable() -> None:
    """Without waiting for its time."""
    feed = Feed()
    cursor = (await asyncio.to_thread(page, feed))["cursor"]
    feed.publish(entry(1))
    assert await feed.wait(cursor, [], 60)


async def test_a_long_poll_holds_until_something_is_published() -> None:
    """From the loop or from another thread; and nothing is left behind."""
    feed = Feed()
    for publish_in_thread in (False, True):
        cursor = (await asyncio.to_thread(page, feed))["cursor"]
        waiting = asyncio.create_task(feed.wait(cursor, [], 60))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        if publish_in_thread:
            thread = threading.Thread(target=feed.publish, args=(entry(2),))
            thread.start()
            thread.join()
        else:
            feed.publish(entry(1))
        assert await waiting
        assert feed._waiters == []


async def test_a_long_poll_says_no_at_its_deadline_and_not_for_other_folders() -> None:
    """Changes elsewhere do not end it early."""
    feed = Feed()
    cursor = (await asyncio.to_thread(page, feed, ids=(16,)))["cursor"]
    waiting = asyncio.create_task(feed.wait(cursor, [16], 0.3))
    for number in range(1, 4):
        feed.publish(entry(number, folder=17))
        await asyncio.sleep(0.02)
        assert not waiting.done()
    assert await waiting is False
    assert feed._waiters == []


async def test_a_long_poll_without_folders_takes_those_of_its_cursor() -> None:
    """As clients before August 2024 need."""
    feed = Feed()
    cursor = (await asyncio.to_thread(page, feed, ids=(16,)))["cursor"]
    feed.publish(entry(1, folder=17))
    assert await feed.wait(cursor, None, 0.01) is False
    feed.publish(entry(2, folder=16))
    assert await feed.wait(cursor, None, 0.01)


async def test_a_long_poll_in_the_middle_of_an_inventory_answers_yes() -> None:
    """There is more to list."""
    feed = Feed()
    feed.publish(entry(1))
    feed.publish(entry(2))
    assert await feed.wait((await asyncio.to_thread(page, feed, n=1))["cursor"], [], 60)
    assert await feed.wait(None, [], 60)


class _Coalescing:
    coalesce = True

    def fit(self, positions: Any, _: int) -> int:
        return len(positions)

    def apply(self, _: Any, __: Any, entries: list[bytes], ___: int) -> list[bytes]:
        return entries


def test_coalescing_leaves_the_latest_of_the_pending_states() -> None:
    """Every object's last state comes, and none before it."""
    feed = Feed(inventory="start")
    for version in range(4):
        for number in (1, 2, 3):
            feed.publish(entry(number, name=f"{number}v{version}"))
    feed.publish(entry(4))
    answer = msgspec.json.decode(feed.page(None, [], 2, _Coalescing()))
    assert (names(answer), answer["has_more"]) == (["1v3", "2v3"], True)
    answer = msgspec.json.decode(feed.page(answer["cursor"], [], 5, _Coalescing()))
    assert (names(answer), answer["has_more"]) == (["3v3", "n4"], False)


class _Client:
    """Lists some cloud folders page by page and keeps the latest state of every object."""

    def __init__(self, feed: Feed, ids: tuple[int, ...], size: int) -> None:
        self.feed, self.ids, self.size = feed, ids, size
        self.cursor: str | None = None
        self.seen: dict[str, Any] = {}

    def go_on(self) -> bool:
        answer = page(self.feed, self.cursor, self.ids, self.size)
        assert len(answer["entries"]) <= self.size
        self.seen |= {each["guid"]: each for each in answer["entries"]}
        self.cursor = answer["cursor"]
        return answer["has_more"] or self.feed.has_changes(self.cursor, self.ids)

    def there(self) -> dict[str, Any]:
        living = [each for each in self.seen.values() if not each["deleted"]]
        return {each["guid"]: (each["name"], each["size"]) for each in living}


def _change(world: World, living: list[Node], action: str, number: int, name: str) -> None:
    if action == "create":
        living.append(world.create(list(world.roots.values())[number % 2], name, size=number))
    elif living:
        node = living[number % len(living)]
        if action == "write":
            world.write(node, size=number)
        elif action == "rename":
            world.rename(node, name)
        else:
            world.delete(node)
            living.remove(node)


@settings(max_examples=60, deadline=None)
@given(
    actions=st.lists(
        st.tuples(st.sampled_from(["create", "write", "rename", "delete", "list"]), st.integers(0, 1000)),
        max_size=60,
    ),
    size=st.integers(1, 7),
    inventory=st.sampled_from(["start", "now"]),
)
def test_a_client_that_upserts_ends_with_the_world(actions: Any, size: int, inventory: Any) -> None:
    """Whatever happens between its pages, of whatever size; with all folders or one."""
    world = World(Feed(inventory=inventory))
    roots = [world.cloud_folder("A"), world.cloud_folder("B")]
    living: list[Node] = []
    clients = [_Client(world.feed, ids, size) for ids in ((), (roots[1].cloud_folder.uid,))]
    for step, (action, number) in enumerate(actions):
        if action == "list":
            clients[number % 2].go_on()
        else:
            _change(world, living, action, number, f"name {step}")
    for client in clients:
        while client.go_on():
            pass
        assert client.there() == {
            world.guid(node.ordinal): (node.name, node.size)
            for node in [*roots, *living]
            if not client.ids or node.cloud_folder.uid in client.ids
        }
