"""Commits of the derived tables that met themselves, and what killed runs of deriving leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ctera_insights.activity import enrich_lake_plain
from ctera_insights.activity.compact import tidy
from ctera_insights.activity.rebuild import scratch
from ctera_insights.activity.store import app_id, connection, tables
from ctera_insights.errors import StoreUnwritable
from ctera_insights.insights.views import connect
from ctera_insights.lake import Lake
from ctera_insights.lake.commit import _Attempt
from ctera_insights.lake.named import read_named
from tests.activity.world import FEED, Scene, commit
from tests.lake.test_object_store import options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["options"]  # a fixture
DERIVED = ("activity", "objects", "folders")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "lake")


def live(scene: Scene, batches: int) -> None:
    """So many batches, a step each: files that come, change, and move."""
    for batch in range(batches):
        files = [scene.world.create(scene.root, f"{batch}-{n}", size=n, at=scene.at()) for n in range(5)]
        scene.collect()
        for file in files[:3]:
            scene.world.rename(file, f"{file.name}.bak", at=scene.at())
        scene.collect()
        enrich_lake_plain(Lake(scene.path))


def told(lake: Lake) -> list[object]:
    with connect(lake) as connection:
        return [
            connection.sql("SELECT seq, op, path, old_path FROM activity ORDER BY ALL").fetchall(),
            connection.sql("SELECT path, deleted, size FROM objects ORDER BY ALL").fetchall(),
            connection.sql("SELECT path FROM folders ORDER BY ALL").fetchall(),
        ]


def require_whole(lake: Lake) -> None:
    """Every file that the log of a derived table names is there, and nothing is left in the making."""
    for table in tables(lake).all:
        named = read_named(table.place)
        assert named.live | set(named.replaced) <= {path for path, _, _ in table.place.files()}
        assert table.place.staged() == []


def _twice(attempt: Callable[[_Attempt], None]) -> Callable[[_Attempt], None]:
    def work(self: _Attempt) -> None:
        attempt(self)
        attempt(self)  # meets what it has just written, and is refused

    return work


def test_steps_merges_and_a_rebuild_that_meet_themselves_count_once(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild commits the number at which the feed stands already: the number alone tells nothing."""
    sound = Scene(tmp_path / "sound")
    live(sound, 5)
    monkeypatch.setattr(_Attempt, "_try", _twice(_Attempt._try))
    live(scene, 5)
    with connection() as con:
        assert tidy(con, tables(scene.lake), FEED, everything=True) > 0
    assert told(Lake(scene.path)) == told(sound.lake)
    enrich_lake_plain(Lake(scene.path), rebuild=True)
    assert told(Lake(scene.path)) == told(sound.lake)
    require_whole(Lake(scene.path))


def test_a_rebuild_that_was_refused_removes_nothing_in_use(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number is in the log, from the last step; its own commit is not."""
    live(scene, 2)
    before = told(Lake(scene.path))
    attempt = _Attempt._try

    def refused(self: _Attempt) -> None:
        if self._table.name == "objects" and "/_rebuild/" not in self._table.place.uri:
            raise OSError(28, "No space left on device")
        attempt(self)

    with monkeypatch.context() as broken:
        broken.setattr(_Attempt, "_try", refused)
        with pytest.raises(StoreUnwritable, match="No space left"):
            enrich_lake_plain(Lake(scene.path), rebuild=True)
    assert told(Lake(scene.path)) == before
    enrich_lake_plain(Lake(scene.path), rebuild=True)
    assert told(Lake(scene.path)) == before
    require_whole(Lake(scene.path))


@pytest.mark.parametrize("table", DERIVED)
def test_what_killed_runs_left_in_the_making_goes_with_the_next_run(scene: Scene, table: str) -> None:
    """Of a step or a merge, of a rebuild in its scratch, and of earlier versions, whose names were short."""
    live(scene, 1)
    made = getattr(tables(scene.lake), table)
    made.write(made.snapshot().dataset().to_table())
    staging = Path(made.place.uri) / "_staging"
    (staging / f"{table}-0123456789ab.parquet").write_bytes(b"half")
    with scratch(scene.lake) as fresh:
        left = getattr(fresh, table)
        left.create()
        left.write(made.snapshot().dataset().to_table())
        enrich_lake_plain(Lake(scene.path))
        assert not (scene.path / "_rebuild").exists()
    require_whole(Lake(scene.path))


def test_a_rebuild_of_another_machine_keeps_its_scratch(options: dict[str, str], scene: Scene) -> None:
    """On an object store there is no lock; what was written just now is not left over."""
    bucket = Lake("s3://insights/scratch", options)
    live(scene, 1)
    entries = scene.feed_entries()
    commit(bucket, entries)
    with scratch(bucket) as other:
        other.activity.create()
        enrich_lake_plain(Lake(bucket.uri, options), rebuild=True)
        assert other.activity.exists()
        other.activity.append(
            tables(scene.lake).activity.snapshot().dataset().to_table(), app_id=app_id(FEED), version=1
        )
    assert not list(bucket.place.child("_rebuild").files())
