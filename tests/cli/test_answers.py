"""Commands that answer: enrich, alerts, report, download, in processes of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_cli import Simulator, collect, run

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {
    "CTERA_INSIGHTS_ACCESS_KEY_ID": "L5WT94ULMS3KFNE7IK5O",
    "CTERA_INSIGHTS_SECRET_ACCESS_KEY": "CVZG1U07gRaY4sEdUmIH7tkHN7Vn63RKyvP6Rmrh",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("demo") / "lake"
    run("demo", "--data", data, "--events", 20_000)
    return data


def test_alerts_tell_the_planted_incidents_and_exit_with_their_own_code(demo: Path) -> None:
    told = json.loads(run("alerts", "--data", demo, "--json", code=10).stdout)
    assert {"mass_deletion", "new_extension"} <= {alert["rule"] for alert in told["alerts"]}
    quiet = run("alerts", "--data", demo, "--since", "2026-06-29", "--sensitivity", "0.01")
    assert "no alerts" in quiet.stdout


def test_what_fired_counts_for_more_than_a_receiver_that_is_away(demo: Path) -> None:
    """Who watches for exit code 10 hears of it; who named no receiver at all hears that before the work."""
    done = run("alerts", "--data", demo, "--webhook", "http://127.0.0.1:9/hook", code=10)
    assert "127.0.0.1 did not take the alerts in 5 attempts" in done.stderr
    assert "webhook" in run("alerts", "--data", demo / "typo", "--webhook", "nowhere", code=2).stderr


def test_a_watch_tells_what_was_collected_in_its_time_whenever_it_happened(demo: Path) -> None:
    """The demo's half a year was collected just now."""
    new = json.loads(run("alerts", "--data", demo, "--since", "1h", "--json", code=10).stdout)
    assert "mass_deletion" in {alert["rule"] for alert in new["alerts"]}
    whole = json.loads(run("alerts", "--data", demo, "--json", code=10).stdout)
    assert {alert["id"] for alert in new["alerts"]} <= {alert["id"] for alert in whole["alerts"]}
    assert "no alerts" in run("alerts", "--data", demo, "--since", "2099-01-01").stdout


def test_a_report_is_one_file(demo: Path, tmp_path: Path) -> None:
    run("report", "--data", demo, "--to", tmp_path / "report.html", "--since", "2026-03-01")
    html = (tmp_path / "report.html").read_text()
    assert "data:image/png;base64," in html
    assert "<script src=" not in html
    assert str(demo) not in html.replace(f"{demo}/", "")  # said once, as the store's place, if at all


def test_what_helps_with_a_query_is_said_once(demo: Path) -> None:
    wrong = run("sql", "--data", demo, "SELECT opp FROM activity", code=1)
    assert wrong.stderr.count("The views are") == 1


def test_a_simulated_portal_refuses_a_key_that_opens_nothing() -> None:
    """Not HTTP 500 at each download, and a traceback in its own terminal."""
    key = {"CTERA_INSIGHTS_ACCESS_KEY_ID": "k", "CTERA_INSIGHTS_SECRET_ACCESS_KEY": "s"}
    refused = run("simulate", "--scenario", "tiny", code=2, **key)
    assert "not base64" in refused.stderr


def test_enrich_does_what_collect_left(tmp_path: Path, tree: Path) -> None:
    simulator = Simulator(tmp_path, "--from-dir", tree)
    try:
        collect(simulator, tmp_path / "lake", "--no-enrich")
        count = ("sql", "--data", tmp_path / "lake", "SELECT count(*) AS n FROM activity", "--format", "json")
        assert json.loads(run(*count).stdout) == [{"n": 0}]
        assert "45 events handled" in run("enrich", "--data", tmp_path / "lake").stdout
        assert json.loads(run(*count).stdout) == [{"n": 45}]
        assert "45 events handled" in run("enrich", "--data", tmp_path / "lake", "--rebuild").stdout
        assert json.loads(run(*count).stdout) == [{"n": 45}]
    finally:
        simulator.stop()


def test_download_mirrors_what_sql_selects(tmp_path: Path, tree: Path) -> None:
    simulator = Simulator(tmp_path, "--from-dir", tree)
    try:
        collect(simulator, tmp_path / "lake")
        where = "name LIKE 'file 1%' AND type = 'file'"
        command = (
            "download",
            "--portal",
            simulator.url,
            "--data",
            tmp_path / "lake",
            "--to",
            tmp_path / "to",
        )
        assert "11 files downloaded" in run(*command, "--where", where, **KEYS).stdout
        again = run(*command, "--where", where, **KEYS)
        assert "0 files downloaded" in again.stdout
        assert "11 there already" in again.stdout
        mirrored = {
            path.relative_to(tmp_path / "to" / "Projects"): path.read_bytes()
            for path in _files(tmp_path / "to")
        }
        assert mirrored == {
            path.relative_to(tree): path.read_bytes()
            for path in _files(tree)
            if path.name.startswith("file 1")
        }
        assert "ACCESS_KEY_ID" in run(*command, code=2).stderr
        assert "nonsense" in run(*command, "--where", "nonsense = 1", code=1, **KEYS).stderr
        refused = run(*command, code=1, **(KEYS | {"CTERA_INSIGHTS_ACCESS_KEY_ID": "WRONG"}))
        assert "failed" in refused.stdout
    finally:
        simulator.stop()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def test_a_dashboard_in_no_zone_is_refused_at_its_start(demo: Path) -> None:
    assert "No time zone" in run("dashboard", "--data", demo, "--tz", "Mars/Base", code=2).stderr
