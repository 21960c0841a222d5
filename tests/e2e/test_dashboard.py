"""The explorer and the live view over a store, as a web page for those without notebooks."""

# the signs that the page shows

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from browsing import Browser, Explorer, by, count, free_port, running
from playwright.sync_api import expect

from ctera_insights.insights import Insights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the simulated Portal filled."""
    data = tmp_path_factory.mktemp("store") / "data"
    command = [sys.executable, "-m", "ctera_insights", "demo", "--data", str(data), "--events", "3000"]
    subprocess.run(command, check=True, capture_output=True)
    return data


def test_the_dashboard_shows_the_store(
    store: Path, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Voila shows the explorer to who has the token; it answers as DuckDB does, and asks no foreign host."""
    port = free_port()
    monkeypatch.setenv("CTERA_INSIGHTS_DASHBOARD_TOKEN", "secret")
    command = [sys.executable, "-m", "ctera_insights", "dashboard", "--data", str(store), f"--port={port}"]
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/login", tmp_path / "voila.log", tmp_path):
        browser.page.goto(url)
        assert not browser.page.locator(".ctera-insights-explorer").count()
        browser.page.goto(f"{url}/?token=secret")
        explorer = Explorer(browser)
        explorer.root.locator(".ci-total").wait_for()
        explorer.ready()
        with Insights(store) as insights:
            truth = insights.connection
            assert explorer.total() == count(truth, "true")
            cloud_folder = max(by(truth, "cloud_folder").items(), key=lambda item: item[1])[0]
            explorer.row("folders", cloud_folder).click()
            explorer.ready()
            below = f"(path = $${cloud_folder}$$ OR starts_with(path, $${cloud_folder}/$$))"
            assert explorer.total() == count(truth, below)
            events = truth.sql("SELECT count(*) FROM events").fetchall()[0][0]
        live = browser.page.locator(".ctera-insights-live")
        expect(live).to_have_attribute("data-events", str(events))
        browser.shot("dashboard")
        assert "Traceback" not in browser.page.content()
    assert [e for e in browser.errors if "favicon" not in e] == []
    assert browser.hosts <= {"127.0.0.1", "blob", "data", ""}


def test_a_page_open_to_all_is_refused(store: Path) -> None:
    """Without a token the dashboard listens on the loopback interface only."""
    command = [sys.executable, "-m", "ctera_insights", "dashboard", "--data", str(store), "--no-token"]
    ended = subprocess.run([*command, "--host=0.0.0.0"], check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "give a token" in ended.stderr
