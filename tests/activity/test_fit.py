"""Derived tables that do not stand on the raw batches there are: derived anew or refused, never skipped."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from ctera_insights.activity import check_derived, derived_sources, enrich_lake_plain, repair
from ctera_insights.activity.store import app_id, ground_id, tables
from ctera_insights.errors import StoreDamaged
from ctera_insights.lake import Lake
from tests.activity.test_run import live_a_little
from tests.activity.world import FEED, Scene, content
from tests.lake.losses import LOSSES, entries

if TYPE_CHECKING:
    from collections.abc import Callable

DERIVED = ("activity", "objects", "folders")


def derived_in_steps(path: Path) -> Scene:
    """A store whose state was merged between some steps."""
    scene = Scene(path)
    for seed in range(10):
        live_a_little(scene, random.Random(seed), 20)
        scene.collect()
        enrich_lake_plain(scene.lake)
    return scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return derived_in_steps(tmp_path / "lake")


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return derived_in_steps(tmp_path_factory.mktemp("fit") / "lake").path


@pytest.fixture
def copy(derived: Path, tmp_path: Path) -> Path:
    """Where a store like that lies, to be damaged."""
    return Path(shutil.copytree(derived, tmp_path / "copy"))


def derived_from_nothing_else(lake: Lake, beside: Path) -> dict[str, list[tuple[object, ...]]]:
    """What the views show when everything is derived from the raw events of a lake alone."""
    shutil.copytree(f"{lake.uri}/events", beside / "events")
    fresh = Lake(beside)
    enrich_lake_plain(fresh)
    return content(fresh)


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("loss", ["whole", "all_files"])
def test_a_derived_table_without_its_log_is_told_and_derived_anew(copy: Path, name: str, loss: str) -> None:
    shown = content(Lake(copy))
    LOSSES[loss](copy / name)
    damaged = Lake(copy)
    assert [finding.where for finding in check_derived(damaged)] == [name]
    with pytest.raises(StoreDamaged, match="enrich --rebuild"):
        derived_sources(damaged)
    enrich_lake_plain(damaged)
    assert content(damaged) == shown
    assert check_derived(damaged) == []


@pytest.mark.parametrize("loss", [each for each in LOSSES if not each.startswith("checkpoint")])
@pytest.mark.parametrize("name", DERIVED)
def test_a_derived_table_with_a_damaged_log_is_told_and_built_anew_on_demand(
    copy: Path, name: str, loss: str
) -> None:
    shown = content(Lake(copy))
    LOSSES[loss](copy / name)
    damaged = Lake(copy)
    assert check_derived(damaged)
    enrich_lake_plain(damaged, rebuild=True)
    assert check_derived(damaged) == []
    assert content(damaged) == shown


@pytest.mark.parametrize("name", [*DERIVED, "observations"])
def test_nothing_is_derived_behind_a_log_of_a_checkpoint_alone(copy: Path, name: str) -> None:
    """It can be read, and no commit could land: refused with the way out before anything is done."""
    shown = content(Lake(copy))
    LOSSES["only_the_checkpoint"](copy / name)
    way_out = "check --repair" if name == "observations" else "enrich --rebuild"
    with pytest.raises(StoreDamaged, match=way_out):
        enrich_lake_plain(Lake(copy))
    assert check_derived(Lake(copy))
    if name == "observations":
        repair(Lake(copy))
    enrich_lake_plain(Lake(copy), rebuild=True)
    assert check_derived(Lake(copy)) == []
    assert content(Lake(copy)) == shown


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("damage", [Path.unlink, lambda file: os.truncate(file, 100)], ids=["gone", "cut"])
def test_a_file_of_a_derived_table_that_is_gone_or_cut_is_told_and_derived_anew(
    copy: Path, name: str, damage: Callable[[Path], None]
) -> None:
    shown = content(Lake(copy))
    damage(Path(tables(Lake(copy)).derived[DERIVED.index(name)].snapshot().uris()[0]))
    damaged = Lake(copy)
    assert check_derived(damaged)
    enrich_lake_plain(damaged)
    assert content(damaged) == shown
    assert check_derived(damaged) == []


@pytest.mark.parametrize("names", [["activity"], ["objects"], ["folders"], ["objects", "folders"]])
def test_a_derived_table_that_is_gone_altogether_is_told_and_derived_anew(
    copy: Path, names: list[str]
) -> None:
    shown = content(Lake(copy))
    for name in names:
        shutil.rmtree(copy / name)
    damaged = Lake(copy)
    assert [finding.where for finding in check_derived(damaged)] == names
    with pytest.raises(StoreDamaged, match="enrich --rebuild"):
        derived_sources(damaged)
    enrich_lake_plain(damaged)
    assert content(damaged) == shown
    assert check_derived(damaged) == []


@pytest.mark.parametrize("name", DERIVED)
def test_an_older_copy_of_a_derived_table_is_told_and_derived_anew(
    scene: Scene, tmp_path: Path, name: str
) -> None:
    """Its state cannot be gone on from: what the others were merged into knows no earlier one."""
    shutil.copytree(scene.path / name, tmp_path / "backup")
    for seed in range(10, 14):
        live_a_little(scene, random.Random(seed), 20)
        scene.collect()
        enrich_lake_plain(scene.lake)
    shown = content(scene.lake)
    shutil.rmtree(scene.path / name)
    shutil.move(tmp_path / "backup", scene.path / name)
    damaged = Lake(scene.path)
    (finding,) = check_derived(damaged)
    assert finding.where == FEED
    assert name in finding.what
    enrich_lake_plain(damaged)
    assert content(damaged) == shown
    assert check_derived(damaged) == []


def regress(path: Path) -> Lake:
    """Put back the raw log of an earlier day, and its files."""
    known = {file.path for file in Lake(path).events.snapshot().files}
    for entry in entries(path / "events")[-4:]:
        entry.unlink()
    lake = Lake(path)
    for newer in known - {file.path for file in lake.events.snapshot().files}:
        (path / "events" / newer).unlink()
    return lake


def test_derived_rows_above_the_raw_ones_are_told_and_derived_anew(copy: Path, tmp_path: Path) -> None:
    damaged = regress(copy)
    told = check_derived(damaged)
    assert [finding.where for finding in told] == [FEED] * 3
    assert all("stands at batch 10, but the raw events end at batch 6" in finding.what for finding in told)
    enrich_lake_plain(damaged)
    assert check_derived(damaged) == []
    assert content(damaged) == derived_from_nothing_else(damaged, tmp_path / "beside")


@pytest.mark.parametrize("batches", [4, 6])
def test_batches_that_were_collected_again_are_derived_again(
    scene: Scene, tmp_path: Path, batches: int
) -> None:
    """The numbers reach the derived ones, or pass them; the content is another."""
    scene.lake = regress(scene.path)
    for seed in range(20, 20 + batches):
        live_a_little(scene, random.Random(seed), 15)
        scene.collect()
    told = check_derived(scene.lake)
    assert [finding.where for finding in told] == [FEED] * 3
    assert all("was derived from another batch 10" in finding.what for finding in told)
    enrich_lake_plain(scene.lake)
    assert check_derived(scene.lake) == []
    assert content(scene.lake) == derived_from_nothing_else(scene.lake, tmp_path / "beside")


def test_a_store_of_an_earlier_version_fits_as_far_as_can_be_told(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the mark of the raw batch, numbers decide; nothing is derived anew for nothing."""
    monkeypatch.setattr("ctera_insights.activity.fit.ground_id", lambda feed: f"none:{feed}")
    assert check_derived(Lake(copy)) == []
    assert enrich_lake_plain(Lake(copy)).events == 0


def test_the_mark_of_the_raw_batch_stands_in_every_derived_table(derived: Path) -> None:
    found = tables(Lake(derived)).derived
    assert (
        len({(table.transaction(app_id(FEED)), table.transaction(ground_id(FEED))) for table in found}) == 1
    )
    assert found[0].transaction(ground_id(FEED))


@pytest.mark.parametrize("lose", [shutil.rmtree, LOSSES["whole"]], ids=["gone", "without its log"])
def test_lost_answers_of_the_portal_are_not_passed_over(copy: Path, lose: Callable[[Path], None]) -> None:
    """Nothing derives them anew: they are repaired, restored, or given up on demand."""
    observations = tables(Lake(copy)).observations
    row = {"feed": FEED, "kind": "unknown", "epoch": 1, "batch": 1, "pos": 1, "folder_id": 1, "guid": "x:1"}
    observations.append(
        [pa.Table.from_pylist([row], observations.schema)], app_id="observations:x", version=1
    )
    lose(copy / "observations")
    damaged = Lake(copy)
    assert [finding.where for finding in check_derived(damaged)] == ["observations"]
    with pytest.raises(StoreDamaged, match="observations"):
        enrich_lake_plain(damaged)
    if (copy / "observations").exists():
        assert "observations: the log was gone" in repair(damaged)[0]
        assert tables(damaged).observations.snapshot().rows == 1
    else:
        enrich_lake_plain(damaged, rebuild=True)
    assert check_derived(damaged) == []
    enrich_lake_plain(damaged)


def test_a_store_where_nothing_was_derived_yet_is_told_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "lake")
    scene.collect()
    notes: list[str] = []
    assert check_derived(scene.lake, note=notes.append) == []
    assert "never derived, or removed" in notes[0]


def test_a_step_cut_off_between_its_commits_is_no_misfit(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone on with, not begun anew."""
    live_a_little(scene, random.Random(30), 20)
    scene.collect()
    table = type(scene.lake.events)
    commit = table.commit

    def cut_off(self, *args, **kwargs):
        if self.name == "objects":
            raise KeyboardInterrupt
        return commit(self, *args, **kwargs)

    with monkeypatch.context() as crash:
        crash.setattr(table, "commit", cut_off)
        with pytest.raises(KeyboardInterrupt):
            enrich_lake_plain(scene.lake)
    activity, objects, _ = (each.transaction(app_id(FEED)) for each in tables(scene.lake).derived)
    assert (activity, objects) == (11, 10)
    assert check_derived(scene.lake) == []
    (new,) = (file.rows for file in scene.lake.events.snapshot().files if file.min["batch"] == 11)
    assert enrich_lake_plain(scene.lake).events == new
    assert check_derived(scene.lake) == []
