"""What is removed, and what never: the log decides, and files in the making go when their owner is gone."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctera_insights.errors import StoreDamaged
from ctera_insights.lake import FeedWriter, Lake, Rejected, maintain
from ctera_insights.lake import writer as writer_module
from ctera_insights.lake.log import SEAL
from ctera_insights.lake.maintain import _merge
from ctera_insights.lake.named import read_named
from ctera_insights.lake.names import earlier_label, new_name, owner_of, read_name
from ctera_insights.lake.place import LocalPlace
from tests.lake.conftest import FEED, fill, page

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIKE = [
    "portal.acme-industries.example.com/admin/16",
    "portal.acme-industries.example.com/admin/17",
    "portal.acme-industries.example.com/admin",
    "portal.acme-industries.example.com/admin/7,1000001,1000002,1000003",
    "portal.acme-industries.example.com/admin/7,1000001,1000002,1000004",
]
"""Names of which earlier versions made one and the same."""


def content(lake: Lake) -> dict[str, list[tuple[int, str]]]:
    """The events of each feed: number and guid."""
    found: dict[str, list[tuple[int, str]]] = {}
    rows = Lake(lake.uri).events.snapshot().dataset().to_table(columns=["feed", "seq", "guid"])
    for row in sorted(rows.to_pylist(), key=lambda row: (row["feed"], row["seq"])):
        found.setdefault(row["feed"], []).append((row["seq"], row["guid"]))
    return found


def lying(lake: Lake) -> set[str]:
    return {path for path, _, _ in lake.events.place.files()}


def staged(lake: Lake) -> list[str]:
    return [name for table in lake.raw_tables() for name in table.place.staged()]


def sound(batches: int) -> list[tuple[int, str]]:
    return [(3 * batch + row + 1, f"{batch + 1}:{row}") for batch in range(batches) for row in range(3)]


def one_batch(lake: Lake, feed: str) -> None:
    fill(Lake(lake.uri), 1, feed=feed)


def test_feeds_whose_names_begin_alike_keep_their_files_in_turn(lake: Lake) -> None:
    """Each is behind another when it starts; none takes the other's files for its own."""
    for turn in range(4):
        for feed in ALIKE[: turn + 2]:
            one_batch(lake, feed)
    assert content(lake) == {feed: sound(4 - max(n - 1, 0)) for n, feed in enumerate(ALIKE)}
    assert lake.check() == []


def test_feeds_whose_names_begin_alike_keep_their_files_at_once(lake: Lake) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_start_often, args=(lake, feed)) for feed in ALIKE[:3]]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert content(lake) == {feed: sound(8) for feed in ALIKE[:3]}
    assert lake.check() == []


def _start_often(lake: Lake, feed: str) -> None:
    for _ in range(8):
        one_batch(lake, feed)


def test_a_start_does_not_touch_what_a_running_writer_has_in_the_making(lake: Lake) -> None:
    with FeedWriter(lake, ALIKE[0]) as running:
        running.commit([page(["a"])], [], cursor="c1", caught_up=True)
        making = lake.events.write(
            lake.events.snapshot().dataset().to_table(), ALIKE[0], owner=running._owner, batch=2
        )
        for other in ALIKE[1:]:
            one_batch(lake, other)
        maintain(Lake(lake.uri).events, everything=True, keep_replaced_hours=0)
        lake.events.transaction(ALIKE[0])
        lake.events.commit(making, app_id=ALIKE[0], version=2)
    assert lake.events.snapshot().rows == 2 + 3 * 4


def test_the_name_of_a_file_tells_whose_it_is_in_full() -> None:
    owners = {read_name(f"collected_on=2026-01-01/{new_name(feed, owner_of(feed), 7)}") for feed in ALIKE}
    assert {name.owner for name in owners} == {owner_of(feed) for feed in ALIKE}
    assert {name.batch for name in owners} == {7}
    assert len({earlier_label(feed) for feed in ALIKE[:2]}) == 1


def rename_as_before(lake: Lake, feed: str) -> None:
    """Give the files of a feed the names of earlier versions, on disk and in the log, and no checksums."""
    log = Path(lake.uri) / "events/_delta_log"
    for file in lake.events.snapshot().files:
        name = read_name(file.path)
        if name.owner == owner_of(feed):
            old = file.path.rpartition("/")[2]
            new = f"{earlier_label(feed)}-{name.batch:08d}-{uuid.uuid4().hex[:12]}.parquet"
            path = Path(lake.uri) / "events" / file.path
            path.rename(path.with_name(new))
            for entry in log.glob("*.json"):
                actions = [json.loads(line) for line in entry.read_text().replace(old, new).splitlines()]
                actions[0].get("commitInfo", {}).pop(SEAL, None)
                entry.write_text("\n".join(map(json.dumps, actions)))


def test_a_store_of_earlier_versions_goes_on_and_keeps_what_others_committed(lake: Lake) -> None:
    """Two feeds that shared a name there: the one behind starts, and only its own rests go."""
    fill(lake, 5, feed=ALIKE[0])
    fill(lake, 2, feed=ALIKE[1])
    for feed in ALIKE[:2]:
        rename_as_before(Lake(lake.uri), feed)
    day = next(Path(lake.uri).glob("events/collected_on=*"))
    rest = day / f"{earlier_label(ALIKE[1])}-00000003-0123456789ab.parquet"
    shutil.copy(next(day.glob("*.parquet")), rest)
    making = Path(lake.uri) / "events/_staging" / rest.name
    making.write_bytes(b"half")
    one_batch(lake, ALIKE[1])
    assert content(lake) == {ALIKE[0]: sound(5), ALIKE[1]: sound(3)}
    assert not rest.exists()
    assert not making.exists()
    assert Lake(lake.uri).check() == []


def test_a_file_in_the_making_of_an_earlier_version_stays_while_anyone_writes(lake: Lake) -> None:
    """Its name does not tell whose it is."""
    fill(lake, 1)
    making = Path(lake.uri) / "events/_staging/portal-example-admin-00000002-0123456789ab.parquet"
    with FeedWriter(lake, "another"):
        making.write_bytes(b"half")
        one_batch(lake, FEED)
        assert making.exists()
    one_batch(lake, FEED)
    assert not making.exists()


def test_what_a_killed_compaction_left_is_swept_when_it_is_gone(lake: Lake) -> None:
    fill(lake, 9)
    left = lake.events.write_merged([lake.events.snapshot().dataset().to_table()], {"collected_on": "x"})
    log = Path(lake.uri) / "events/_delta_log"
    half = [log / f"{10:020d}.json#1", log / f"{9:020d}.checkpoint.parquet#2", log / "_commit_x.json.tmp"]
    for path in half:
        path.write_bytes(b"half")
    with lake.locks.maintenance():
        one_batch(lake, FEED)
        assert staged(lake) == [left.path.rpartition("/")[2]]
    one_batch(lake, FEED)
    assert staged(lake) == []
    assert not any(path.exists() for path in half)
    assert content(lake) == {FEED: sound(11)}


def test_what_is_written_into_the_log_at_this_moment_is_not_swept(lake: Lake) -> None:
    """It is written under the commit lock, for which the sweep waits."""
    fill(lake, 1)
    half = Path(lake.uri) / f"events/_delta_log/{2:020d}.json#1"
    with lake.locks.commit():
        half.write_bytes(b"half")
        starter = multiprocessing.get_context("spawn").Process(target=one_batch, args=(Lake(lake.uri), FEED))
        starter.start()
        starter.join(4)
        assert half.exists()
    starter.join()
    assert not half.exists()


def test_a_replaced_file_stays_for_its_grace_however_old_it_is(lake: Lake) -> None:
    """The time of its replacement counts, not that of its writing."""
    fill(lake, 10)
    for path in Path(lake.uri).glob("events/collected_on=*/*.parquet"):
        os.utime(path, (time.time() - 864_000,) * 2)
    old = lake.events.snapshot()
    assert maintain(lake.events, everything=True).removed == 0
    assert old.dataset().count_rows() == 30
    assert maintain(lake.events, everything=True, keep_replaced_hours=0.0001).removed == 0
    time.sleep(0.5)
    assert maintain(lake.events, everything=True, keep_replaced_hours=0.0001).removed == 10


def test_files_that_only_a_checkpoint_names_stay(lake: Lake) -> None:
    """Live ones, and replaced ones in their grace; what nobody names goes, also in an old log."""
    fill(lake, 9)
    maintain(lake.events, everything=True)
    table = lake.events.delta(refresh=True)
    table.create_checkpoint()
    for entry in (Path(lake.uri) / "events/_delta_log").glob("*.json"):
        if int(entry.stem) < table.version():
            entry.unlink()
    before = lying(lake)
    for path in before:
        os.utime(Path(lake.uri) / "events" / path, (time.time() - 864_000,) * 2)
    stray = Path(lake.uri) / "events/collected_on=2020-01-01/part.parquet"
    stray.parent.mkdir()
    stray.write_bytes(b"old")
    os.utime(stray, (time.time() - 864_000,) * 2)
    assert maintain(Lake(lake.uri).events).removed == 1
    assert lying(lake) == before
    assert len(read_named(lake.events.place).replaced) == 9


def test_files_of_a_log_that_lost_its_end_are_never_swept(lake: Lake) -> None:
    """An older copy of the log was put back: what it does not name any more is no rest of a crash."""
    fill(lake, 3)
    saved = Path(lake.uri).parent / "log"
    log = Path(lake.uri) / "events/_delta_log"
    shutil.copytree(log, saved)
    fill(lake, 4)
    shutil.rmtree(log)
    saved.rename(log)
    before = lying(lake)
    beyond = {path for path in before if (read_name(path).batch or 0) > 4}
    maintain(Lake(lake.uri).events, keep_replaced_hours=0)
    assert beyond <= lying(lake)
    assert len(beyond) == 3


def test_nothing_is_removed_by_a_log_with_a_gap(lake: Lake) -> None:
    fill(lake, 9)
    handle = lake.events
    maintain(handle, everything=True)
    (Path(lake.uri) / f"events/_delta_log/{4:020d}.json").unlink()
    before = lying(lake)
    with pytest.raises(StoreDamaged, match=r"gap|is missing"):
        maintain(handle, keep_replaced_hours=0)
    assert lying(lake) == before


def test_half_a_batch_in_quarantine_is_undone_in_merged_files_as_well(lake: Lake) -> None:
    """Another process merged the entries before the batch was given up."""
    with FeedWriter(lake, FEED) as writer:
        writer.commit([page(["a"])], [Rejected(0, "bad", b"1")], cursor="c1", caught_up=True)
        writer._quarantine([Rejected(0, "bad", b"2")], 2, "c2", writer.position.committed_at)
    with FeedWriter(lake, ALIKE[0]) as other:
        other.commit([page(["a"])], [Rejected(0, "bad", b"3")], cursor="c1", caught_up=True)
    assert _merge(lake.quarantine, lake.quarantine.snapshot().files)
    assert len(lake.quarantine.snapshot().files) == 1
    with FeedWriter(Lake(lake.uri), FEED):
        pass
    raw = Lake(lake.uri).quarantine.snapshot().dataset().to_table()["raw"].to_pylist()
    assert sorted(raw) == [b"1", b"3"]


def test_a_merge_that_fails_now_and_then_does_not_stop_the_feed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch before it is committed; the merge is tried again, and given up when it never works."""
    monkeypatch.setattr(writer_module, "MAINTAIN_EVERY", 2)
    monkeypatch.setattr(writer_module, "UPKEEP_RETRY", 2)
    fill(lake, 1)
    with FeedWriter(lake, FEED) as writer:
        writer._upkeep_at = 2
        broken = lake.events.snapshot().files[0]
        log = Path(lake.uri) / "events/_delta_log"
        entry = log / f"{0:020d}.json"
        entry.rename(Path(lake.uri) / "away")
        os.utime(Path(lake.uri) / "events" / broken.path, (0, 0))
        stray = Path(lake.uri) / "events/stray.parquet"
        stray.write_bytes(b"")
        os.utime(stray, (0, 0))
        for number in range(2, 7):
            writer.commit([page([str(number)])], [], cursor=f"c{number}", caught_up=True)
        assert writer.position.batch == 6
        with pytest.raises(StoreDamaged, match="gap"):
            writer.commit([page(["7"])], [], cursor="c7", caught_up=True)
        assert writer.position.batch == 7
        (Path(lake.uri) / "away").rename(entry)
    assert Lake(lake.uri).events.snapshot().rows == 9
    assert not list(Path(lake.uri).glob("events/_staging/*"))


class Killed(BaseException):
    """The process ends here, and cleans nothing up."""


class Killer:
    """Ends the work at the n-th file operation, before or behind it."""

    OPERATIONS = ("write_parquet", "publish", "sync", "remove", "remove_staged")

    def __init__(self) -> None:
        self.left: int | None = None
        self.late = False

    def arm(self, after: int, *, late: bool) -> None:
        self.left, self.late = after, late

    def disarm(self) -> None:
        self.left = None

    def strike(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    made = Killer()

    def around(operation):
        def work(*args, **kwargs):
            if not made.late:
                made.strike()
            result = operation(*args, **kwargs)
            if made.late:
                made.strike()
            return result

        return work

    with pytest.MonkeyPatch.context() as patch:
        for name in Killer.OPERATIONS:
            patch.setattr(LocalPlace, name, around(getattr(LocalPlace, name)))
        yield made


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["commit", "commit", "commit", "rejects", "start", "merge", "optimize", "rest"]),
        st.sampled_from(ALIKE[:3]),
        st.one_of(st.none(), st.tuples(st.integers(0, 9), st.booleans())),
    ),
    min_size=4,
    max_size=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_killed_and_swept_every_file_that_a_version_names_is_there(
    steps: list[tuple[str, str, tuple[int, bool] | None]], killer: Killer, tmp_path_factory
) -> None:
    """Starts, commits, merges and sweeps of several feeds, each ended at some file operation or not."""
    lake = Lake(tmp_path_factory.mktemp("lake") / "lake")
    killer.disarm()
    one_batch(lake, ALIKE[0])
    waived: set[str] = set()
    for action, feed, fault in steps:
        if action == "optimize":
            waived |= set(read_named(lake.events.place).replaced)
        if fault:
            killer.arm(fault[0], late=fault[1])
        try:
            _act(Lake(lake.uri), action, feed)
        except Killed:
            pass
        finally:
            killer.disarm()
        named = read_named(lake.events.place)
        if action == "optimize":  # it may have merged before it swept, at once
            waived |= set(named.replaced)
        assert named.live | (set(named.replaced) - waived) <= lying(lake)
    for feed in ALIKE[:3]:
        one_batch(lake, feed)
    for feed, rows in content(lake).items():
        assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1)), feed
        assert [guid for _, guid in rows] == [guid for _, guid in sound(len(rows) // 3)], feed
    assert lake.check() == []
    assert staged(lake) == []
    maintain(Lake(lake.uri).events, keep_replaced_hours=0)
    assert lying(lake) == {file.path for file in Lake(lake.uri).events.snapshot().files}


def _act(lake: Lake, action: str, feed: str) -> None:
    if action == "rest":
        log = Path(lake.uri) / "events/_delta_log"
        (log / f"{len(list(log.glob('*.json'))):020d}.json#1").write_bytes(b"half")
    elif action in {"merge", "optimize"}:
        maintain(lake.events, everything=True, keep_replaced_hours=0 if action == "optimize" else 1)
    else:
        with FeedWriter(lake, feed) as writer:
            if action != "start":
                batch = writer.position.batch + 1
                rejects = [Rejected(0, "bad", b"x")] if action == "rejects" else []
                rows = [page(f"{batch}:{row}" for row in range(3))]
                writer.commit(rows, rejects, cursor=f"c{batch}", caught_up=True)
