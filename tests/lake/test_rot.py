"""Single flipped bits: found wherever they change what a reader reads, and never merged into new files."""

from __future__ import annotations

import contextlib
import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctera_insights.activity import check_derived, enrich_lake_plain, maintain_derived
from ctera_insights.activity.store import tables
from ctera_insights.errors import FileDamaged, StoreDamaged
from ctera_insights.lake import FeedWriter, Lake, Rejected, maintain, read_position
from ctera_insights.lake.check import check_files
from ctera_insights.lake.statistics import delta_statistics
from tests.activity.test_run import live_a_little
from tests.activity.world import FEED, Scene
from tests.lake.conftest import fill, page
from tests.lake.losses import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctera_insights.lake import Table

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
FLIPS = 60 * SCALE
KINDS = ("events", "quarantine", "activity", "objects", "folders", "observations")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with rows in every table."""
    scene = Scene(tmp_path_factory.mktemp("rot") / "lake")
    live_a_little(scene, random.Random(1), 200)
    scene.collect()
    with FeedWriter(scene.lake, FEED) as writer:
        rejects = [Rejected(n, "no guid", os.urandom(30)) for n in range(30)]
        writer.commit([], rejects, cursor="c2", caught_up=True)
        writer.restart()
        writer.commit([], [], cursor="c3", caught_up=True)
    live_a_little(scene, random.Random(2), 10)
    scene.collect()
    enrich_lake_plain(scene.lake)
    observations = tables(scene.lake).observations
    row = {"feed": FEED, "kind": "unknown", "epoch": 1, "batch": 1, "pos": 1, "folder_id": 1, "guid": "x:1"}
    observations.append([pa.Table.from_pylist([row], observations.schema)], app_id="test", version=1)
    return scene.path


def table_of(path: Path, kind: str) -> Table:
    lake = Lake(path)
    return {table.name: table for table in (lake.events, lake.quarantine, *tables(lake).all)}[kind]


def flips(path: Path, lots: random.Random, count: int) -> Iterator[int]:
    """Flip one bit of a file after the other, and back; gives its place."""
    content = path.read_bytes()
    for _ in range(count):
        bit = lots.randrange(len(content) * 8)
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        yield bit
    path.write_bytes(content)


@pytest.mark.parametrize("kind", KINDS)
def test_any_flipped_bit_in_a_data_file_is_found(store: Path, kind: str) -> None:
    """In pages, in their headers, in the footer: each is, and the file and what it held are told."""
    table = table_of(store, kind)
    files = table.snapshot().files
    assert files
    lots = random.Random(kind)
    for _ in range(FLIPS // 6):
        file = lots.choice(files)
        for bit in flips(Path(file.uri), lots, 6):
            found = check_files([table.snapshot()])
            assert [finding.where for finding in found] == [f"{kind}/{file.path}"], bit
            assert "it held" in found[0].what
    assert check_files([table.snapshot()]) == []


def test_a_flipped_bit_is_found_by_the_whole_check(store: Path) -> None:
    """Of raw tables and of derived ones, each by the part that looks at them."""
    lots = random.Random(9)
    for kind in KINDS:
        file = table_of(store, kind).snapshot().files[0]
        for _ in flips(Path(file.uri), lots, 2):
            lake = Lake(store)
            findings = lake.check()
            findings += check_derived(lake, raw_is_sound=not findings)
            assert f"{kind}/{file.path}" in [finding.where for finding in findings]
    assert Lake(store).check() == check_derived(Lake(store)) == []


def test_a_flipped_bit_in_a_log_entry_is_found_or_changes_nothing(lake: Lake) -> None:
    """Each entry carries a checksum of what it does; the rest of it nobody reads."""
    fill(lake, 3)
    before = told(lake)
    lots = random.Random(3)
    unseen = 0
    for entry in entries(Path(lake.uri) / "events"):
        for bit in flips(entry, lots, FLIPS):
            fresh = Lake(lake.uri)
            try:
                found = fresh.check()
            except StoreDamaged:
                continue
            if not found:
                unseen += 1
                assert told(fresh) == before, (entry.name, bit)
    assert unseen < 3 * FLIPS
    assert Lake(lake.uri).check() == []


def told(lake: Lake) -> tuple[Any, ...]:
    """What readers take from the log of ``events``."""
    files = lake.events.snapshot().files
    return files, read_position(lake, FEED)


def test_an_entry_that_is_a_copy_of_another_is_found(lake: Lake) -> None:
    """Each has a sound checksum; what the one that it lies over told is gone."""
    fill(lake, 4)
    written = {entry: entry.read_bytes() for entry in entries(Path(lake.uri) / "events")}
    for over, content in written.items():
        for copy in written.keys() - {over}:
            over.write_bytes(written[copy])
            with contextlib.suppress(StoreDamaged):
                assert Lake(lake.uri).check(), (over.name, copy.name)
        over.write_bytes(content)
    assert Lake(lake.uri).check() == []


def test_a_writer_does_not_go_on_from_a_position_that_rotted(lake: Lake) -> None:
    fill(lake, 3)
    newest = entries(Path(lake.uri) / "events")[-1]
    newest.write_text(newest.read_text().replace('"cursor":"c3"', '"cursor":"c1"'))
    with pytest.raises(StoreDamaged, match=re.escape(newest.name)):
        FeedWriter(Lake(lake.uri), FEED).__enter__()


@pytest.mark.parametrize("named", [True, False], ids=["checksum of the file", "checksums of its pages"])
def test_merging_refuses_a_file_that_rotted_and_leaves_all_as_it_is(lake: Lake, named: bool) -> None:
    fill(lake, 3, rows=400)
    rotten = lake.events.snapshot().files[1]
    path = Path(rotten.uri)
    if not named:  # as if the name had been lost
        path = path.rename(path.with_name("part-2.parquet"))
        without = pq.read_metadata(path)
        rename(lake, rotten.path, f"{rotten.path.rpartition('/')[0]}/part-2.parquet", without)
    flip_in_pages(path)
    before = {found: found.read_bytes() for found in Path(lake.uri).glob("**/*.parquet")}
    with pytest.raises(FileDamaged, match=path.name):
        maintain(Lake(lake.uri).events, everything=True, keep_replaced_hours=0)
    assert {found: found.read_bytes() for found in Path(lake.uri).glob("**/*.parquet")} == before
    fill(Lake(lake.uri), 70, rows=1)  # collecting goes on over it
    assert [finding.where for finding in Lake(lake.uri).check() if "events/" in finding.where] == [
        f"events/{path.relative_to(Path(lake.uri) / 'events')}"
    ]


def rename(lake: Lake, old: str, new: str, metadata: Any) -> None:
    """Give a file another name in the log as well."""
    from deltalake.transaction import AddAction

    (file,) = (file for file in lake.events.snapshot().files if file.path == old)
    partition = {name: str(value) for name, value in file.partition.items()}
    statistics = delta_statistics(metadata, lake.events.statistics)
    place, publish = lake.events.place, type(lake.events.place).publish
    type(place).publish = lambda *_: None  # it lies there already
    try:
        lake.events.commit(
            [AddAction(new, file.size_bytes, partition, 1, True, statistics)],
            [file],
            app_id="test",
            version=1,
        )
    finally:
        type(place).publish = publish


def flip_in_pages(path: Path) -> None:
    """Flip a bit in the data of the largest column."""
    group = pq.read_metadata(path).row_group(0)
    column = max((group.column(i) for i in range(group.num_columns)), key=lambda c: c.total_compressed_size)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 16
    path.write_bytes(content)


def test_deriving_and_merging_what_was_derived_refuse_rot_as_well(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "lake")
    live_a_little(scene, random.Random(1), 50)
    scene.collect()
    raw = Path(scene.lake.events.snapshot().files[0].uri)
    content = raw.read_bytes()
    flip_in_pages(raw)
    with pytest.raises(FileDamaged, match=raw.name):
        enrich_lake_plain(scene.lake)
    raw.write_bytes(content)
    enrich_lake_plain(scene.lake)
    for _ in range(3):
        live_a_little(scene, random.Random(2), 20)
        scene.collect()
        enrich_lake_plain(scene.lake)
    for table in tables(scene.lake).derived:
        rotten = Path(table.snapshot().files[0].uri)
        content = rotten.read_bytes()
        flip_in_pages(rotten)
        with pytest.raises(FileDamaged, match=rotten.name):
            maintain_derived(scene.lake, everything=True)
        rotten.write_bytes(content)
    maintain_derived(scene.lake, everything=True)
    assert check_derived(scene.lake) == []


def test_files_of_earlier_versions_are_checked_as_far_as_they_can_be(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checksum, a store is sound as far as can be told, and `check` says how far that is."""
    writer = pq.ParquetWriter
    with monkeypatch.context() as earlier:
        earlier.setattr("ctera_insights.lake.place.with_checksum", lambda path, _: path)
        earlier.setattr("ctera_insights.lake.table.sealed", lambda metadata, *_: dict(metadata))
        earlier.setattr(
            pq, "ParquetWriter", lambda *a, **k: writer(*a, **{**k, "write_page_checksum": False})
        )
        fill(lake, 2)
    fill(lake, 1)
    notes: list[str] = []
    assert Lake(lake.uri).check(note=notes.append) == []
    assert [note.partition(" of an earlier")[0] for note in notes] == [
        "events: 2 log entries",
        "events: 2 files",
    ]
    maintain(lake.events, everything=True)
    notes.clear()
    assert Lake(lake.uri).check(note=notes.append) == []
    assert len(notes) == 1  # merged files have checksums; the old log entries still lack theirs


def test_one_cut_entry_in_quarantine_is_told(lake: Lake) -> None:
    with FeedWriter(lake, FEED) as writer:
        writer.commit([page(["a"])], [Rejected(1, "no guid", b"{}")], cursor="c1", caught_up=True)
    (entry,) = entries(Path(lake.uri) / "quarantine")[1:]
    entry.write_bytes(entry.read_bytes()[: entry.read_bytes().index(b"\n")])
    (finding,) = Lake(lake.uri).check()
    assert finding.where == f"quarantine/_delta_log/{entry.name}"
    assert "check --repair" in finding.what
