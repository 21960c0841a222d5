"""The quickstart notebook as a newcomer meets it: run in JupyterLab, then explored by hand."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
from browsing import CHANGES, Browser, Explorer, Lab, run_all

from ctera_insights import connect

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


def test_the_quickstart_runs_and_its_explorer_answers(lab: Lab, browser: Browser) -> None:
    """From the collection to the explorer in one go; what the page counts is what DuckDB counts."""
    notebook = nbformat.read(QUICKSTART, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = cell.source.replace("events = 60_000", "events = 8_000")
    nbformat.write(notebook, lab.folder / "quickstart.ipynb")

    run_all(browser, lab.address("quickstart.ipynb"))
    explorer = Explorer(browser)
    _scroll_to(browser, ".ctera-insights-explorer .ci-total")
    explorer.ready()
    assert len(explorer.chips()) == 2
    with connect(lab.folder / "data" / "office") as store:

        def count(where: str) -> int:
            query = f"SELECT count(*) FROM activity WHERE {CHANGES} AND {where}"
            return store.sql(query).fetchall()[0][0]

        assert explorer.total() == count("op = 'renamed' AND cloud_folder = 'Finance'") > 0
        explorer.root.get_by_text("Remove all").click()
        explorer.ready()
        assert explorer.total() == count("true")
        explorer.row("ops", "deleted").click()
        explorer.ready()
        assert explorer.total() == count("op = 'deleted'")
    browser.shot("quickstart")
    assert browser.hosts <= {"127.0.0.1", "data", "blob"}


def _scroll_to(browser: Browser, selector: str, seconds: float = 120) -> None:
    """JupyterLab draws the cells in sight only."""
    deadline = time.monotonic() + seconds
    while not browser.page.locator(selector).count():
        assert time.monotonic() < deadline, "the explorer did not appear"
        browser.page.locator(".jp-Notebook").hover()
        browser.page.mouse.wheel(0, 600)
        browser.page.wait_for_timeout(300)
    browser.page.locator(selector).first.scroll_into_view_if_needed()
