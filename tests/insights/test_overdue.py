"""What was collected and not derived: every answer that lacks it says so, wherever it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ctera_insights import Insights
from ctera_insights.activity import behind, enrich_lake_plain
from ctera_insights.errors import EXIT_DONE, EXIT_FAILED, ReportIncomplete
from ctera_insights.insights.report import make_report
from tests.activity.world import Scene

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A collected store of which nothing is derived."""
    scene = Scene(tmp_path / "lake")
    for name in ("a.txt", "b.txt"):
        scene.world.create(scene.root, name, size=5, at=scene.at())
    scene.collect()
    return scene


def one_more(scene: Scene, name: str = "c.txt") -> None:
    scene.world.create(scene.root, name, size=5, at=scene.at())
    scene.collect()


def test_a_store_of_which_nothing_was_derived_does_not_answer_with_nothing(scene: Scene) -> None:
    with Insights(scene.path) as insights:
        assert insights.lacks.startswith("Activity lacks 1 batch (3 events) that were collected: `ctera-ins")
        assert insights.lacks in repr(insights.operations())
        assert insights.lacks in repr(insights.changes())
        assert insights.lacks in repr(insights.sql("SELECT count(*) FROM objects"))
        alerts = insights.alerts()
        assert not alerts.quiet
        assert alerts.exit_code == EXIT_FAILED
        assert "not everything was looked at" in alerts.subject()
        assert "lacks 1 batch (3 events)" in alerts.text()
        assert "lacks 1 batch (3 events)" in alerts.as_dict()["lacks"]
        enrich_lake_plain(scene.lake)
        assert insights.refresh().lacks == ""
        assert insights.alerts().exit_code == EXIT_DONE


def test_what_a_collector_is_about_to_derive_is_not_told_of(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within some minutes; what waits longer, nobody derives."""
    enrich_lake_plain(scene.lake)
    one_more(scene)
    assert behind.overdue(scene.lake) == ""
    monkeypatch.setattr(behind, "OVERDUE", timedelta(0))
    assert "lacks 1 batch (1 event)" in behind.overdue(scene.lake)


def test_what_keeps_deriving_is_told_at_once(scene: Scene) -> None:
    enrich_lake_plain(scene.lake)
    one_more(scene)
    behind.note_failure(scene.lake, "the disk is full", datetime(2026, 3, 1, 8, 30, tzinfo=UTC))
    assert behind.overdue(scene.lake).endswith("deriving fails since 2026-03-01 08:30 UTC: the disk is full")
    enrich_lake_plain(scene.lake)
    assert behind.overdue(scene.lake) == ""


def test_a_new_inventory_that_is_not_complete_is_gone_on_with_by_collecting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrich_lake_plain(scene.lake)
    scene.commit(scene.feed_entries()[:2], caught_up=False, restart=True)
    enrich_lake_plain(scene.lake)
    monkeypatch.setattr(behind, "OVERDUE", timedelta(0))
    assert "wait for the end of a new inventory" in behind.overdue(scene.lake)


def test_a_report_that_lacks_something_says_so_at_its_top(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(ReportIncomplete, match=r"not whole: Activity lacks 1 batch \(3 events\)"):
        make_report(scene.path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.index("Activity lacks 1 batch (3 events)") < page.index("<h1")


def test_the_command_line_says_so_beside_the_rows(scene: Scene) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ctera_insights",
            "sql",
            "--data",
            str(scene.path),
            "--format",
            "csv",
            "FROM activity",
        ],
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Note: Activity lacks" in done.stderr
    assert "Note" not in done.stdout
