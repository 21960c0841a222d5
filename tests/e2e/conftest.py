"""A store, JupyterLab on a free port, and a page in headless Chromium that notes errors and requests."""

# ruff: noqa: E402 # the helpers beside this file are found by the path that is set first

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest
from playwright.sync_api import expect, sync_playwright

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "benchmarks")]
from typing import TYPE_CHECKING

from browsing import CHROMIUM_FLAGS, Browser, Lab, chromium, jupyterlab

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1")) * 60_000


@pytest.fixture(scope="session")
def activity_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of made activity as Parquet, the same in every run."""
    from explorer import generate

    path = tmp_path_factory.mktemp("activity") / "activity.parquet"
    generate(path, ROWS)
    return path


@pytest.fixture(scope="session")
def truth(activity_file: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB's own answers."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW activity AS FROM read_parquet('{activity_file}')")
    return connection


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with jupyterlab(tmp_path_factory.mktemp("lab")) as running_lab:
        yield running_lab


@pytest.fixture(scope="module")  # no longer: Playwright's event loop bars those of the other tests
def chrome() -> Iterator[object]:
    executable = chromium()
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browser(chrome) -> Iterator[Browser]:
    """A page; the test fails when it logged an error or asked a foreign host."""
    context = chrome.new_context(viewport={"width": 1360, "height": 1500}, timezone_id="America/New_York")
    page = context.new_page()
    page.set_default_timeout(30_000)
    seen = Browser(page)
    page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda r: seen.hosts.add(urlsplit(r.url).hostname or urlsplit(r.url).scheme))
    yield seen
    seen.shot("last")
    context.close()
