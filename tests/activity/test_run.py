"""Runs over a lake: killed, repeated, side by side with readers; new inventories; names; a bucket."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctera_insights.activity import check_derived, enrich, enrich_lake_plain, maintain_derived
from ctera_insights.activity.compact import sweep
from ctera_insights.activity.store import WRITER, tables
from ctera_insights.errors import StoreLocked, StoreNotFound, UsageError
from ctera_insights.lake import Lake
from tests.activity.world import FEED, Scene, commit, connect, content, rows
from tests.lake.test_object_store import options

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["options"]  # a fixture

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
CHILD = (
    "import sys; from ctera_insights.activity import enrich_lake_plain; "
    "from ctera_insights.lake import Lake; print(flush=True); "
    "enrich_lake_plain(Lake(sys.argv[1]), step_rows=40)"
)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "lake")


def live_a_little(scene: Scene, lots: random.Random, changes: int) -> None:
    world = scene.world
    for n in range(changes):
        nodes = list(scene.root.walk())
        node = lots.choice(nodes)
        folder = lots.choice([each for each in nodes if each.type == "folder"])
        chance = lots.random()
        if chance < 0.5 or node.parent is None:
            kind = "folder" if chance < 0.15 else "file"
            world.create(folder, f"n{len(nodes)}-{n}", type=kind, size=n * (kind == "file"), at=scene.at())
        elif chance < 0.65 and node.type == "file":
            world.write(node, size=n, at=scene.at())
        elif chance < 0.8:
            world.rename(node, f"r{n}-{len(nodes)}", at=scene.at())
        elif chance < 0.9 and folder not in set(node.walk()) and node.name not in folder.children:
            world.move(node, folder, at=scene.at())
        elif chance > 0.95:
            world.delete(node, at=scene.at())


@pytest.mark.timeout(600)
def test_runs_killed_again_and_again_count_everything_once(scene: Scene, tmp_path: Path) -> None:
    """SIGKILL at any moment: the tables end as those of one quiet run; readers never see half a step."""
    lots = random.Random(5)
    kills = 0
    for number in range(12 * SCALE):
        live_a_little(scene, lots, 30)
        entries = scene.take()
        for start in range(0, len(entries), 10):
            scene.commit(entries[start : start + 10])
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(scene.path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        with child.stdout:
            child.stdout.read(1)  # it begins
        began = time.monotonic()
        # from before its first commit to behind its last
        while time.monotonic() - began < 0.05 + 0.12 * number % 1.4 and child.poll() is None:
            time.sleep(0.01)
        kills += child.poll() is None
        child.kill()
        child.wait()
        if tables(scene.lake).folders.exists():
            assert consistent(scene.lake)
    assert kills > 3
    enrich_lake_plain(scene.lake)
    shutil.copytree(scene.path / "events", tmp_path / "quiet" / "events")
    quiet = Lake(tmp_path / "quiet")
    enrich_lake_plain(quiet)
    assert content(scene.lake) == content(quiet)
    assert scene.lake.check() == check_derived(scene.lake) == []
    sweep(tables(scene.lake), keep_replaced_hours=0, force=True)
    for table in tables(scene.lake).derived:  # no stray file is left
        named = {file.path for file in table.snapshot().files}
        assert {path for path, _, _ in table.place.files()} == named


def consistent(lake: Lake) -> bool:
    """Whether the objects are exactly those that the activity tells of."""
    with connect(lake) as con:
        told = con.sql("SELECT guid, arg_max(name, seq) FROM activity GROUP BY guid ORDER BY guid").fetchall()
        return told == con.sql("SELECT guid, name FROM objects ORDER BY guid").fetchall()


def test_a_new_inventory_tells_only_what_really_changed(scene: Scene) -> None:
    """And only when it is whole: what vanished meanwhile was deleted, by nobody's event."""
    world = scene.world
    docs = world.create(scene.root, "docs", type="folder", at=scene.at())
    kept, grown, gone = (
        world.create(docs, name, size=1, at=scene.at()) for name in ("kept", "grown", "gone")
    )
    scene.collect()
    enrich_lake_plain(scene.lake)
    world.write(grown, size=10, at=scene.at())
    world.delete(gone, at=scene.at())
    world.rename(docs, "papers", at=scene.at())
    new = world.create(docs, "new", size=4, at=scene.at())
    latest = {entry["guid"]: entry for entry in [*scene.feed_entries()]}
    inventory = [latest[scene.guid(node)] for node in (new, grown, scene.root, kept, docs)]
    scene.take()
    scene.commit(inventory[:2], caught_up=False, restart=True)
    assert enrich_lake_plain(scene.lake).waiting == (FEED,)
    assert len(rows(scene.lake, "FROM activity")) == 5
    scene.commit(inventory[2:])
    assert enrich_lake_plain(scene.lake).events == 5
    found = rows(
        scene.lake,
        "SELECT phase, op, path, old_path, size_delta, seq IS NULL FROM activity WHERE epoch = 2 ORDER BY 3",
    )
    assert [tuple(row.values()) for row in found] == [
        ("live", "deleted", "Projects/docs/gone", None, -1, True),
        ("live", "renamed", "Projects/papers", "Projects/docs", None, False),
        ("live", "modified", "Projects/papers/grown", None, 9, False),
        ("live", "created", "Projects/papers/new", None, 4, False),
    ]
    living = {row["path"] for row in rows(scene.lake, "FROM objects WHERE NOT deleted")}
    assert living == {node.path for node in scene.root.walk()}
    world.write(kept, size=7, at=scene.at())
    scene.collect()
    enrich_lake_plain(scene.lake)
    assert rows(scene.lake, "SELECT op, path FROM activity ORDER BY seq DESC LIMIT 1") == [
        {"op": "modified", "path": "Projects/papers/kept"}
    ]


def test_an_inventory_given_up_makes_nothing_vanish(scene: Scene) -> None:
    """What it saw counts; the next whole one tells what is gone."""
    world = scene.world
    first, second = (world.create(scene.root, name, at=scene.at()) for name in ("first", "second"))
    root, one, two = scene.take()
    scene.commit([root, one, two])
    enrich_lake_plain(scene.lake)
    world.rename(first, "FIRST", at=scene.at())
    scene.commit(scene.take(), caught_up=False, restart=True)
    scene.commit([root, {**one, "name": "FIRST", "gvsn": "other:9"}], restart=True)
    enrich_lake_plain(scene.lake)
    found = rows(
        scene.lake, "SELECT op, path FROM activity WHERE epoch > 1 AND op <> 'unchanged' ORDER BY batch, op"
    )
    assert [tuple(row.values()) for row in found] == [
        ("renamed", "Projects/FIRST"),
        ("deleted", f"Projects/{second.name}"),
    ]


def test_one_run_at_a_time_and_none_without_a_store(scene: Scene, tmp_path: Path) -> None:
    """A second one hears it at once."""
    with pytest.raises(StoreNotFound):
        enrich_lake_plain(Lake(tmp_path / "nothing"))
    scene.collect()
    with scene.lake.locks.writer(WRITER), pytest.raises(StoreLocked):
        enrich_lake_plain(Lake(scene.path))


def test_a_reader_keeps_its_view_through_steps_merges_and_a_rebuild(scene: Scene) -> None:
    """Views name files that stay for the grace period."""
    live_a_little(scene, random.Random(1), 50)
    scene.collect()
    enrich_lake_plain(scene.lake)
    with connect(scene.lake) as old:
        query = (
            "SELECT (SELECT sum(seq) FROM activity), (SELECT count(*) FROM objects), count(*) FROM folders"
        )
        before = old.sql(query).fetchall()
        for seed in range(10):
            live_a_little(scene, random.Random(seed), 20)
            scene.collect()
            enrich_lake_plain(scene.lake)
        shown = content(scene.lake)
        done = maintain_derived(scene.lake, everything=True)
        assert done.merged > done.into == 3
        assert done.removed == 0  # the grace period
        assert content(scene.lake) == shown
        enrich_lake_plain(scene.lake, rebuild=True)
        assert old.sql(query).fetchall() == before
    assert content(scene.lake) == shown
    assert not (scene.path / "_rebuild").exists()


def test_damage_is_found_and_a_rebuild_mends_it(scene: Scene) -> None:
    """A file that is gone, and one that holds rows twice."""
    live_a_little(scene, random.Random(4), 60)
    scene.collect()
    assert check_derived(scene.lake) == []  # nothing was derived yet
    enrich_lake_plain(scene.lake)
    shown = content(scene.lake)
    activity = tables(scene.lake).activity
    (file,) = activity.snapshot().files
    (scene.path / "activity" / file.path).unlink()
    (finding,) = check_derived(scene.lake)
    assert finding.where == f"activity/{file.path}"
    assert finding.what.startswith(f"is missing; it held batch 1 of {FEED!r} (seq 1 to ")
    assert "enrich --rebuild" in finding.what
    enrich_lake_plain(scene.lake, rebuild=True)
    assert check_derived(scene.lake) == []
    assert content(scene.lake) == shown
    (file,) = activity.snapshot().files
    twice = pq.read_table(scene.path / "activity" / file.path).slice(0, 5)
    activity.append([twice], app_id="someone", version=1)
    assert [str(finding) for finding in check_derived(scene.lake)] == [
        f"{FEED}: events stand in activity more than once (5)"
    ]
    enrich_lake_plain(scene.lake, rebuild=True)
    assert check_derived(scene.lake) == []
    assert content(scene.lake) == shown


def test_a_derived_table_that_someone_removed_comes_back(scene: Scene) -> None:
    """Whichever it is."""
    live_a_little(scene, random.Random(2), 60)
    scene.collect()
    enrich_lake_plain(scene.lake)
    shown = content(scene.lake)
    for name in ("activity", "objects", "folders"):
        shutil.rmtree(scene.path / name)
        fresh = Lake(scene.path)
        enrich_lake_plain(fresh)
        assert content(fresh) == shown


def test_feeds_are_told_apart(scene: Scene) -> None:
    """Two streams of the same objects live side by side, each with its own state."""
    scene.world.create(scene.root, "f", size=1, at=scene.at())
    entries = scene.take()
    commit(scene.lake, entries, feed="one")
    commit(scene.lake, entries[:1], feed="two")
    enrich_lake_plain(scene.lake)
    commit(scene.lake, [{**entries[0], "name": "Renamed", "gvsn": "new:1"}], feed="two")
    enrich_lake_plain(scene.lake)
    found = rows(scene.lake, "SELECT feed, path FROM objects ORDER BY ALL")
    assert [tuple(row.values()) for row in found] == [
        ("one", "Projects"),
        ("one", "Projects/f"),
        ("two", "Renamed"),
    ]


NAMES = [
    *("\U0001f469\u200d\U0001f469\u200d\U0001f466.png", "\u202egnp.exe", "caf\u00e9", "cafe\u0301"),
    *("new\nline.TXT", "tab\t", 'quo"te', "it's", "..", "../", "a/b", ".hidden", "archive.tar.gz"),
    *("x" * 255, "CASE", "case", " ", "%_\\", "?"),
]


def test_names_of_every_kind_survive(scene: Scene) -> None:
    """In names and in paths; a slash, which no Portal should send, is another character in paths."""
    root, *_ = scene.take()
    guid = root["guid"].rpartition(":")[0]
    entries = [
        {**root, "guid": f"{guid}:{900 + n}", "parent_guid": root["guid"], "name": name, "type": "file"}
        for n, name in enumerate(NAMES)
    ]
    scene.commit([root, *entries])
    enrich_lake_plain(scene.lake)
    for view in ("activity", "objects"):
        found = {row["name"]: row["path"] for row in rows(scene.lake, f"FROM {view} WHERE type = 'file'")}
        assert found == {name: "Projects/" + name.replace("/", "\u2215") for name in NAMES}
    extensions = {row["name"]: row["extension"] for row in rows(scene.lake, "FROM objects")}
    assert extensions["new\nline.TXT"] == "txt"
    assert extensions["archive.tar.gz"] == "gz"
    assert extensions[".hidden"] == ""
    assert extensions["Projects"] is None


def test_paths_for_frames_tables_and_relations(scene: Scene) -> None:
    """Rows of `events` get the path of then; others the path that their directory has now."""
    docs = scene.world.create(scene.root, "docs", type="folder", at=scene.at())
    scene.world.create(docs, "f.pdf", size=1, at=scene.at())
    scene.collect()
    scene.world.rename(docs, "papers", at=scene.at())
    scene.collect()
    enrich_lake_plain(scene.lake)
    with connect(scene.lake) as con:
        con.execute(
            f"CREATE VIEW events AS FROM read_parquet({scene.lake.events.snapshot().uris()!r})"
        ).fetchall()
        events = con.sql(
            "SELECT feed, seq, type, guid, name, folder_id, parent_guid FROM events ORDER BY seq"
        )
        table = events.to_arrow_table()
        then = ["Projects", "Projects/docs", "Projects/docs/f.pdf", "Projects/papers"]
        assert enrich(scene.lake, table)["path"].to_pylist() == then
        frame = events.df().set_index(pd.Index([5, 6, 7, 8]))
        enriched = enrich(scene.lake, frame)
        assert enriched["path"].tolist() == then
        assert enriched.index.tolist() == [5, 6, 7, 8]
        assert enriched["extension"].fillna("-").tolist() == ["-", "-", "pdf", "-"]
        relation = enrich(scene.lake, events)
        assert isinstance(relation, duckdb.DuckDBPyRelation)
        assert relation.filter("seq = 3").to_arrow_table()["path"].to_pylist() == [then[2]]
    now = enrich(scene.lake, table.drop_columns(["feed", "seq"]))
    assert now["path"].to_pylist() == [
        "Projects",
        "Projects/docs",
        "Projects/papers/f.pdf",
        "Projects/papers",
    ]
    assert now["cloud_folder"].to_pylist() == ["Projects"] * 4
    with pytest.raises(UsageError, match="parent_guid"):
        enrich(scene.lake, pa.table({"guid": ["a"], "name": ["b"], "type": ["file"], "folder_id": [1]}))


def test_activity_in_a_bucket_is_what_it_is_on_a_disk(scene: Scene, options: dict[str, str]) -> None:
    """Steps, a rebuild and the views over s3://."""
    bucket = Lake("s3://insights/activity-lake", options)
    lots = random.Random(3)
    for _ in range(3):
        live_a_little(scene, lots, 30)
        entries = scene.take()
        commit(scene.lake, entries)
        commit(bucket, entries)
        enrich_lake_plain(bucket)
    enrich_lake_plain(scene.lake)

    def told(lake: Lake) -> list[tuple[object, ...]]:
        found = rows(lake, "SELECT seq, op, path, old_path, size_delta FROM activity ORDER BY seq")
        return [tuple(row.values()) for row in found]

    def living(lake: Lake) -> set[str]:
        return {row["path"] for row in rows(lake, "FROM objects WHERE NOT deleted")}

    assert (told(bucket), living(bucket)) == (told(scene.lake), living(scene.lake))
    enrich_lake_plain(bucket, rebuild=True)
    assert not list(bucket.place.child("_rebuild").files())
    assert (told(bucket), living(bucket)) == (told(scene.lake), living(scene.lake))
