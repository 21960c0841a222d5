"""An object store that takes a commit and does not say so: the log decides, by the commit's own mark."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from ctera_insights.activity import enrich_lake_plain
from ctera_insights.activity.store import tables
from ctera_insights.errors import AncestorsNotFound, CommitUnclear, StoreFenced
from ctera_insights.insights.views import connect
from ctera_insights.lake import FeedWriter, Lake, Rejected, maintain
from ctera_insights.lake import commit as commit_module
from ctera_insights.lake.named import read_named
from tests.activity.world import Scene
from tests.activity.world import commit as commit_entries
from tests.lake.conftest import FEED, fill, page
from tests.lake.test_object_store import options
from tests.object_store.proxy import Proxy, Trouble, proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ctera_insights.model import Event

__all__ = ["options"]  # a fixture
ENTRY = r"/{table}/_delta_log/0*[1-9]\d*\.json$"
LOST = ["500", "503", "hang up"]


@pytest.fixture(scope="module")
def way(options: dict[str, str]) -> Iterator[Proxy]:
    with proxy(options["AWS_ENDPOINT_URL"]) as made:
        yield made


@pytest.fixture
def bucket(options: dict[str, str], way: Proxy, request: pytest.FixtureRequest) -> Lake:
    """A lake behind the proxy, under a name of its own; it gives up soon."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    way.make()
    settings = {**options, "AWS_ENDPOINT_URL": way.url, "max_retries": "2", "retry_timeout": "5s"}
    return Lake(f"s3://insights/{name}", settings)


def again(lake: Lake) -> Lake:
    """The same lake, seen by another process."""
    return Lake(lake.uri, lake.place.options)


def content(lake: Lake) -> list[tuple[object, ...]]:
    table = again(lake).events.snapshot().dataset().to_table().sort_by("seq")
    return [tuple(row.values()) for row in table.select(["seq", "batch", "guid", "cursor"]).to_pylist()]


def expected(tmp_path: Path, batches: int) -> list[tuple[object, ...]]:
    sound = Lake(tmp_path / "sound")
    fill(sound, batches)
    return content(sound)


def require_whole(lake: Lake) -> None:
    """Every file that the log names is there, and the store is sound."""
    for table in again(lake).raw_tables():
        lying = {path for path, _, _ in table.place.files()}
        named = read_named(table.place)
        assert named.live <= lying
        assert {file.path for file in table.snapshot().files} == named.live
    assert again(lake).check() == []


@pytest.mark.parametrize("how", LOST)
def test_a_batch_whose_answer_was_lost_is_there_once(
    bucket: Lake, way: Proxy, how: str, tmp_path: Path
) -> None:
    fill(bucket, 1)
    lost = Trouble(ENTRY.format(table="events"), how)
    way.make(lost)
    fill(again(bucket), 1)
    assert way.happened() == [1]
    fill(again(bucket), 1)
    assert content(bucket) == expected(tmp_path, 3)
    require_whole(bucket)


@pytest.mark.parametrize("how", LOST)
def test_a_table_whose_creation_was_not_answered_is_there(bucket: Lake, way: Proxy, how: str) -> None:
    lost = Trouble(r"/events/_delta_log/0{20}\.json$", how)
    way.make(lost)
    fill(bucket, 2)
    assert way.happened() == [1]
    require_whole(bucket)


@pytest.mark.parametrize("how", LOST)
def test_quarantined_entries_whose_answer_was_lost_are_there_once(bucket: Lake, way: Proxy, how: str) -> None:
    lost = Trouble(ENTRY.format(table="quarantine"), how)
    way.make(lost)
    with FeedWriter(bucket, FEED) as writer:
        writer.commit([page(["a"])], [Rejected(0, "bad", b"x")], cursor="c1", caught_up=True)
    assert way.happened() == [1]
    with FeedWriter(again(bucket), FEED):
        pass
    status = again(bucket).status()
    assert (status.events, status.quarantined) == (1, 1)
    require_whole(bucket)


@pytest.mark.parametrize("how", LOST)
def test_a_merge_whose_answer_was_lost_loses_and_doubles_nothing(
    bucket: Lake, way: Proxy, how: str, tmp_path: Path
) -> None:
    fill(bucket, 8)
    lost = Trouble(ENTRY.format(table="events"), how)
    way.make(lost)
    done = maintain(again(bucket).events, everything=True, keep_replaced_hours=0)
    assert way.happened() == [1]
    assert (done.merged, done.into, done.removed) == (8, 1, 8)
    assert content(bucket) == expected(tmp_path, 8)
    require_whole(bucket)


async def nobody_knows(folder_id: int, guid: str) -> list[Event]:
    raise AncestorsNotFound(f"{folder_id}:{guid}")


@pytest.mark.parametrize(
    ("table", "how"),
    [("activity", "500"), ("objects", "hang up"), ("folders", "503"), ("observations", "hang up")],
)
def test_derived_tables_survive_lost_answers(
    bucket: Lake, way: Proxy, how: str, table: str, tmp_path: Path
) -> None:
    """A step, the Portal's answers, and a rebuild, where a commit to each table was not answered."""
    scene = Scene(tmp_path / "local")
    files = [scene.world.create(scene.root, f"f{n}", size=n, at=scene.at()) for n in range(20)]
    entries = [*scene.take(), {**scene.feed_entries()[-1], "guid": "lone", "parent_guid": "never told of"}]
    commit_entries(scene.lake, entries)
    commit_entries(bucket, entries)
    for file in random.Random(5).sample(files, 10):
        scene.world.rename(file, f"{file.name}.bak", at=scene.at())
    entries = scene.take()
    commit_entries(scene.lake, entries)
    commit_entries(bucket, entries)
    for rebuild in (False, True):
        way.make(Trouble(ENTRY.format(table=table), how))
        enrich_lake_plain(again(bucket), nobody_knows, rebuild=rebuild)
        if not (rebuild and table == "observations"):
            assert way.happened() == [1]
    enrich_lake_plain(scene.lake, nobody_knows)

    def told(lake: Lake) -> list[object]:
        with connect(lake) as connection:
            return [
                connection.sql("SELECT seq, op, path, old_path FROM activity ORDER BY ALL").fetchall(),
                connection.sql("SELECT path, deleted, size FROM objects ORDER BY ALL").fetchall(),
                connection.sql("SELECT path FROM folders ORDER BY ALL").fetchall(),
                tables(lake).observations.snapshot().rows,
            ]

    assert told(again(bucket)) == told(scene.lake)


def test_a_commit_that_comes_late_counts_once(bucket: Lake, way: Proxy, tmp_path: Path) -> None:
    """The request is cut off, tried again, and carried out in the end, behind the repetition."""
    fill(bucket, 1)
    late = Trouble(ENTRY.format(table="events"), "late", delay_s=0.6)
    way.make(late)
    fill(again(bucket), 2)
    assert way.happened() == [1]
    time.sleep(1)
    assert content(bucket) == expected(tmp_path, 3)
    require_whole(bucket)


def test_what_cannot_be_settled_is_said_and_nothing_is_removed(
    bucket: Lake, way: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is taken, its answer lost, and nothing can be read: the next start finds the batch there."""
    monkeypatch.setattr(commit_module, "SETTLE_S", 2.0)
    fill(bucket, 1)
    with FeedWriter(again(bucket), FEED) as writer:
        way.make(
            Trouble(ENTRY.format(table="events"), "500", times=1000),
            Trouble("_delta_log", "refuse", method="GET", times=1000, then=True),
        )
        with pytest.raises(CommitUnclear, match="Nothing was removed"):
            writer.commit([page(["2:0", "2:1", "2:2"])], [], cursor="c2", caught_up=True)
        assert way.happened()[0] > 0
        assert writer.position.batch == 1
        way.make()
        with pytest.raises(CommitUnclear, match="Start again"):
            writer.commit([page(["2:0", "2:1", "2:2"])], [], cursor="c2", caught_up=True)
    fill(again(bucket), 1)
    assert content(bucket) == expected(tmp_path, 3)
    require_whole(bucket)


def test_a_store_that_takes_nothing_keeps_what_it_has(
    bucket: Lake, way: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused again and again: said to be unclear, and the batch comes with the next start."""
    monkeypatch.setattr(commit_module, "SETTLE_S", 1.0)
    fill(bucket, 1)
    with FeedWriter(again(bucket), FEED) as writer:
        way.make(Trouble(ENTRY.format(table="events"), "refuse", times=1000))
        with pytest.raises(CommitUnclear, match="did not tell whether it took batch 2"):
            writer.commit([page(["2:0", "2:1", "2:2"])], [], cursor="c2", caught_up=True)
        way.make()
    fill(again(bucket), 2)
    assert content(bucket) == expected(tmp_path, 3)
    require_whole(bucket)


def test_a_batch_of_another_machine_with_our_number_is_not_taken_for_ours(bucket: Lake, way: Proxy) -> None:
    """Both write batch 2; the answer of the one that came second is lost on top."""
    fill(bucket, 1)
    with FeedWriter(again(bucket), FEED) as first, FeedWriter(again(bucket), FEED) as second:
        first.commit([page(["theirs"])], [], cursor="theirs", caught_up=True)
        way.make(Trouble(ENTRY.format(table="events"), "500"))
        with pytest.raises(StoreFenced):
            second.commit([page(["ours"])], [Rejected(1, "bad", b"x")], cursor="ours", caught_up=True)
    assert [row[2] for row in content(bucket)][3:] == ["theirs"]
    assert again(bucket).status().quarantined == 0
    require_whole(bucket)


def test_a_start_fences_an_attempt_that_is_still_under_way(bucket: Lake) -> None:
    """Entries in quarantine tell of an attempt; it must not land once they are removed."""
    fill(bucket, 1)
    slow = FeedWriter(again(bucket), FEED)
    with slow:
        slow._quarantine([Rejected(0, "bad", b"x")], 2, "c2", slow.position.committed_at)  # type: ignore[arg-type]
        slow.lake.events.delta()
        with FeedWriter(again(bucket), FEED) as quick:
            assert again(bucket).status().quarantined == 0
            with pytest.raises(StoreFenced):
                slow.lake.events.append([], app_id=FEED, version=2)
            assert quick.commit([page(["a"])], [], cursor="c2", caught_up=True).batch == 2
    require_whole(bucket)


def test_an_upload_of_another_writer_is_left_until_it_is_old(bucket: Lake) -> None:
    fill(bucket, 9)
    stray = bucket.events.write(bucket.events.snapshot().dataset().to_table(), "stray")[0].path
    maintain(again(bucket).events, everything=True, keep_replaced_hours=0)
    assert {path for path, _, _ in bucket.events.place.files()} == {
        stray,
        *(file.path for file in again(bucket).events.snapshot().files),
    }
