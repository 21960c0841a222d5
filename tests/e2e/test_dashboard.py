"""The explorer and the live view over a store, as a web page for those without notebooks."""

# the signs that the page shows

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from browsing import Browser, Explorer, by, count, free_port, running
from playwright.sync_api import expect

from ctera_insights.insights import Insights

if TYPE_CHECKING:
    from pathlib import Path

SERVE = "from ctera_insights.widgets.dashboard import serve; "


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the simulated Portal filled."""
    data = tmp_path_factory.mktemp("store") / "data"
    command = [sys.executable, "-m", "ctera_insights", "demo", "--data", str(data), "--events", "3000"]
    subprocess.run(command, check=True, capture_output=True)
    return data


def test_the_dashboard_shows_the_store(store: Path, browser: Browser, tmp_path: Path) -> None:
    """Voila shows the explorer to who has the token; it answers as DuckDB does, and asks no foreign host."""
    port = free_port()
    serve = SERVE + f"serve({str(store)!r}, port={port}, token='secret')"
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-c", serve], f"{url}/login", tmp_path / "voila.log", tmp_path):
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


def test_a_page_open_to_all_is_refused(tmp_path: Path) -> None:
    """Without a token the dashboard listens on the loopback interface only."""
    serve = SERVE + f"serve({str(tmp_path)!r}, host='0.0.0.0', token='')"
    ended = subprocess.run([sys.executable, "-c", serve], check=False, capture_output=True, text=True)
    assert re.search(r"UsageError: .*give a token", ended.stderr)
