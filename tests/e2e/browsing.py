"""Servers, made activity, and what a person does with the page."""

# ruff: noqa: RUF001 # the signs that the page shows

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
ARTIFACTS = REPOSITORY / "tests" / "artifacts"
TZ = "Europe/Berlin"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHANGES = "phase = 'live' AND op <> 'unchanged'"


@dataclass
class Browser:
    """A page, and what went on in it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def shot(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail(
            "These tests drive a real browser; install it: apt-get install -y chromium", pytrace=False
        )
    return found


@contextlib.contextmanager
def running(command: list[str], ready: str, log: Path, folder: Path) -> Iterator[None]:
    """A server, until it answers at ``ready``; its log is shown when it does not."""
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "share"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=folder)
        try:
            until = time.monotonic() + 90
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=5):
                    break
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"{' '.join(command)} does not answer:\n{log.read_text()[-3000:]}")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    return path


def opening(activity_file: Path) -> str:
    """The cell that opens the made activity."""
    return (
        "import duckdb\n"
        "from ctera_insights.insights import Insights\n"
        "connection = duckdb.connect()\n"
        f"connection.execute(\"CREATE VIEW activity AS FROM read_parquet('{activity_file}')\")\n"
        f"insights = Insights(connection, tz='{TZ}')"
    )


@dataclass
class Lab:
    """A running JupyterLab."""

    url: str
    token: str
    folder: Path

    def address(self, name: str) -> str:
        return f"{self.url}/lab/tree/{name}?token={self.token}&reset"


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[Lab]:
    """JupyterLab over a folder, on a free port of the loopback interface."""
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


def run_all(browser: Browser, address: str, *, cells: int | None = None) -> None:
    """Open a notebook in JupyterLab and run all of its cells, or the first."""
    page = browser.page
    page.goto(address)
    page.locator(".jp-NotebookPanel .jp-Notebook .jp-Cell").first.wait_for()
    page.get_by_text(re.compile(r"Python 3 .*\| Idle")).wait_for()
    for _ in range(5):  # a kernel that has just answered may still lose what it is sent
        if cells == 1:
            page.locator(".jp-CodeCell").first.locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
        else:
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_text("Run All Cells", exact=True).click()
        try:
            expect(page.locator(".jp-CodeCell .jp-InputPrompt").first).to_have_text(
                re.compile(r"\[(\*|\d+)\]"), timeout=4_000
            )
        except AssertionError:
            continue
        return
    pytest.fail("JupyterLab does not run the cells")


def number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


class Explorer:
    """The explorer as a person sees it."""

    def __init__(self, browser: Browser) -> None:
        self.page = browser.page
        self.root = self.page.locator(".ctera-insights-explorer").first

    def ready(self) -> None:
        expect(self.root).to_have_attribute("aria-busy", "false")
        expect(self.root.locator(".ci-table")).to_have_attribute("data-complete", "true")

    def total(self) -> int:
        return number(self.root.locator(".ci-total").inner_text())

    def chips(self) -> list[str]:
        return [c.removesuffix("×").strip() for c in self.root.locator(".ci-chip").all_inner_texts()]

    def bars(self, name: str) -> dict[str, str]:
        rows = self.root.locator(f".ci-{name} .ci-row")
        return {row.locator(".ci-label").inner_text(): row.get_attribute("title") for row in rows.all()}

    def counts(self, name: str) -> dict[str, int]:
        return {k: number(v.rpartition(":")[2]) for k, v in self.bars(name).items()}

    def row(self, name: str, label: str) -> Locator:
        return self.root.locator(f".ci-{name} .ci-row").filter(
            has=self.page.locator(".ci-label", has_text=re.compile(f"^{re.escape(label)}$"))
        )

    def drag(self, selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag between two places given as shares of the element's width and height."""
        element = self.root.locator(selector)
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.mouse.move(*places[1], steps=12)
        self.page.mouse.up()


def count(truth, where: str) -> int:
    return truth.sql(f"SELECT count(*) FROM activity WHERE {CHANGES} AND {where}").fetchall()[0][0]


def by(truth, column: str, where: str = "true") -> dict[str, int]:
    return dict(
        truth.sql(
            f"SELECT {column}, count(*) FROM activity WHERE {CHANGES} AND {where} GROUP BY 1"
        ).fetchall()
    )


def python(page: Explorer, code: str) -> str:
    """Run code in a new cell of the notebook, and give what it printed."""
    panel = page.page.locator(".jp-NotebookPanel")
    panel.locator(".jp-Notebook-footer").click()
    cell = panel.locator(".jp-CodeCell").last
    cell.locator(".cm-content").click()
    page.page.keyboard.insert_text(code)
    page.page.keyboard.press("Control+Enter")
    output = cell.locator(".jp-OutputArea-output").first
    output.wait_for()
    return output.inner_text().strip()
