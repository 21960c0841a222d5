"""A store, JupyterLab on a free port, and a page in headless Chromium that notes errors and requests."""

# ruff: noqa: E402 # the helpers beside this file are found by the path that is set first

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest
from playwright.sync_api import sync_playwright

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "benchmarks")]
from typing import TYPE_CHECKING

from browsing import Browser, Lab, chromium, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
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


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    port, token = free_port(), secrets.token_hex(16)
    overrides = folder / "settings"
    overrides.mkdir()
    (overrides / "overrides.json").write_text(
        json.dumps(
            {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
        )
    )
    # Another package's extension that trips over its own settings; JupyterLab loads whatever is installed.
    (overrides / "page_config.json").write_text(json.dumps({"disabledExtensions": {"jupysql-plugin": True}}))
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"),
        *("--allow-root", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
        *(f"--LabApp.app_settings_dir={overrides}", "--ServerApp.port_retries=0"),
        *("--LabServerApp.extension_manager=readonly", "--LabApp.extension_manager=readonly"),
    ]
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/api/status?token={token}", folder / "lab.log", folder):
        yield Lab(url, token, folder)


@pytest.fixture(scope="session")
def chrome() -> Iterator[object]:
    executable = chromium()
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
