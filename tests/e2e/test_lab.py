"""The explorer in a real JupyterLab in a real browser: what the page shows is what DuckDB answers."""

# ruff: noqa: RUF001 # the signs that the page shows

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from browsing import CHANGES, TZ, Browser, Explorer, Lab, by, count, notebook, opening, python, run_all
from playwright.sync_api import expect

from ctera_insights.lake import Lake

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def explorer(lab: Lab, browser: Browser, activity_file: Path, request: pytest.FixtureRequest) -> Explorer:
    name = f"{request.node.name}.ipynb"
    notebook(lab.folder / name, opening(activity_file), "explorer = insights.explore()\nexplorer")
    run_all(browser, lab.address(name))
    page = Explorer(browser)
    page.root.locator(".ci-total").wait_for()
    page.ready()
    return page


def test_every_view_filters_all_others(explorer: Explorer, browser: Browser, truth) -> None:
    """Brush, click, descend, go back, search, page and remove: each step shows DuckDB's own numbers."""
    page, root = explorer, explorer.root
    assert page.total() == count(truth, "true")
    assert page.counts("ops") | {} == {
        {"acl_changed": "permissions"}.get(op, op): n for op, n in by(truth, "op").items()
    }
    assert page.counts("cloudfolders") == by(truth, "cloud_folder")
    browser.shot("explorer-light")

    # brush the timeline
    page.drag(".ci-plot", (0.4, 0.5), (0.6, 0.5))
    page.ready()
    since, until = root.locator(".ci-chip").inner_text().split("\n")[-2].split(" – ")
    within = (
        f"\"at\" >= TIMESTAMP '{since}' AT TIME ZONE '{TZ}' AND "
        f"\"at\" < (TIMESTAMP '{until}' + INTERVAL 1 DAY) AT TIME ZONE '{TZ}'"
    )
    assert page.total() == count(truth, within) > 0
    assert page.counts("ops")["deleted"] == by(truth, "op", within)["deleted"]
    browser.shot("explorer-brushed")

    # an operation on top
    page.row("ops", "deleted").click()
    page.ready()
    deleted = f"{within} AND op = 'deleted'"
    assert page.total() == count(truth, deleted)
    assert page.counts("ops")["created"] == by(truth, "op", within)["created"]
    extensions = page.counts("extensions")
    pdf = by(truth, "extension", deleted)
    assert {k: extensions[f".{k}"] for k in ("pdf", "docx")} == {k: pdf[k] for k in ("pdf", "docx")}

    # into a folder, twice
    page.row("folders", "Media").click()
    page.ready()
    media = f"{deleted} AND starts_with(path, 'Media/')"
    assert page.total() == count(truth, media)
    teams = by(truth, "split_part(path, '/', 2)", media)
    folders = page.counts("folders")
    assert {name: n for name, n in folders.items() if n} == teams
    first = root.locator(".ci-folders .ci-row .ci-label").first.inner_text()
    page.row("folders", first).click()
    page.ready()
    assert page.total() == count(truth, f"{deleted} AND starts_with(path, 'Media/{first}/')")
    root.locator(".ci-segment button", has_text="bytes").click()
    browser.shot("explorer-folder")
    root.locator(".ci-segment button", has_text="events").click()

    # and back by the breadcrumb
    root.locator('.ci-crumbs button[data-path="Media"]').click()
    page.ready()
    assert page.total() == count(truth, media)
    root.locator(".ci-crumbs button", has_text="All folders").click()
    page.ready()
    assert page.total() == count(truth, deleted)

    # the selection in Python is the one on the page
    assert python(
        page, "print(len(explorer.df()), explorer.relation.aggregate('count(*)').fetchall()[0][0])"
    ) == (f"{page.total()} {page.total()}")

    # search
    search = root.locator("input[type=search]")
    search.fill("Project-7/")
    search.press("Enter")
    page.ready()
    found = f"{deleted} AND (path ILIKE '%project-7/%' OR old_path ILIKE '%project-7/%')"
    assert page.total() == count(truth, found)

    # each filter can be removed on its own, then all
    assert len(page.chips()) == 3
    root.locator(".ci-chip", has_text="deleted").click()
    page.ready()
    assert page.total() == count(truth, found.replace("op = 'deleted'", "true"))
    root.locator(".ci-chips button", has_text="Remove all").click()
    page.ready()
    assert page.total() == count(truth, "true")

    # hours of the week: Monday's morning
    page.drag(".ci-heat", (0.40, 0.1), (0.55, 0.1))
    page.ready()
    hours = re.search(r"Mon (\d\d):00–(\d\d):00", page.chips()[0])
    local = f"\"at\" AT TIME ZONE '{TZ}'"
    assert page.total() == count(
        truth, f"isodow({local}) = 1 AND hour({local}) >= {hours[1]} AND hour({local}) < {hours[2]}"
    )
    assert not browser.errors
    assert browser.hosts <= {"127.0.0.1", "blob", "data", ""}


def test_the_table_scrolls_through_all_rows(explorer: Explorer, browser: Browser, truth) -> None:
    """The first, the last and a row in the middle are the ones that DuckDB orders there."""
    root = explorer.root
    scroller = root.locator(".ci-scroller")
    order = f'FROM activity WHERE {CHANGES} ORDER BY "at" DESC, feed, seq DESC, path'

    def shown() -> tuple[int, list[str]]:
        explorer.ready()
        rows = root.locator(".ci-rows .ci-tr")
        return int(rows.first.get_attribute("aria-rowindex")) - 1, rows.locator(".ci-path").evaluate_all(
            "cells => cells.map(cell => cell.firstChild.textContent)"
        )

    def expected(first: int, n: int) -> list[str]:
        return [path for (path,) in truth.sql(f"SELECT path {order} LIMIT {n} OFFSET {first}").fetchall()]

    scroller.scroll_into_view_if_needed()
    for key, middle in (("Home", None), ("PageDown", None), (None, 0.37), (None, 0.8), ("End", None)):
        if key:
            scroller.press(key)
        else:
            scroller.evaluate(f"e => e.scrollTop = {middle} * (e.scrollHeight - e.clientHeight)")
            explorer.page.wait_for_timeout(150)
        first, paths = shown()
        assert paths == expected(first, len(paths))
    assert first + len(paths) == count(truth, "true")
    browser.shot("explorer-table")
    assert not browser.errors


def test_python_sets_what_the_page_shows(explorer: Explorer, browser: Browser, truth) -> None:
    """`select` moves the page; its times need not lie on the timeline's own marks; a wrong value says so."""
    page = explorer
    shown = python(
        page,
        "explorer.select(since='2025-03-03 05:00', until='2025-03-20', extension=['pdf', ''], path='Legal');"
        "print('done')",
    )
    assert shown == "done"
    where = (
        f"\"at\" >= TIMESTAMP '2025-03-03 05:00' AT TIME ZONE '{TZ}' AND "
        f"\"at\" < TIMESTAMP '2025-03-20' AT TIME ZONE '{TZ}' AND extension IN ('pdf', '') "
        "AND starts_with(path, 'Legal/')"
    )
    expect(page.root.locator(".ci-total")).to_have_text(re.compile(rf"^{count(truth, where):,} events?$"))
    assert page.chips()[0].endswith("2025-03-03 05:00 – 2025-03-20 00:00")
    assert "'created', 'modified'" in python(
        page, "try:\n    explorer.select(op='shredded')\nexcept Exception as e:\n    print(e)"
    )
    browser.shot("explorer-selected")
    assert not browser.errors


def test_dark_theme_keyboard_and_narrow_windows(explorer: Explorer, browser: Browser, truth) -> None:
    """The explorer turns dark with JupyterLab, works by keyboard alone, and fits a narrow page."""
    page = browser.page
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.get_by_text("Theme", exact=True).first.hover()
    page.get_by_text("JupyterLab Dark", exact=True).click()
    expect(explorer.root).to_have_class(re.compile("dark"))
    explorer.root.locator(".ci-plot").scroll_into_view_if_needed()
    plot = explorer.root.locator(".ci-plot")
    plot.press("ArrowRight")
    for _ in range(20):
        plot.press("Shift+ArrowRight")
    explorer.ready()
    assert 0 < explorer.total() < count(truth, "true")
    explorer.root.locator(".ci-ops .ci-row").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    explorer.ready()
    assert explorer.chips()[1] == "modified"
    browser.shot("explorer-dark")
    page.set_viewport_size({"width": 900, "height": 1700})
    page.wait_for_timeout(500)
    browser.shot("explorer-narrow")
    assert explorer.root.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    assert not browser.errors


def test_the_live_view_follows_a_store_that_another_process_writes(
    lab: Lab, browser: Browser, tmp_path: Path
) -> None:
    """The view waits for the store, counts what a collector in another process commits, and pauses."""
    data = tmp_path / "data"
    page = browser.page
    cell = f"from ctera_insights.widgets.live import live\nview = live({str(data)!r}, poll_s=0.2)\nview"
    notebook(lab.folder / "live.ipynb", cell)
    run_all(browser, lab.address("live.ipynb"))
    root = page.locator(".ctera-insights-live")
    expect(root.locator(".ci-empty")).to_contain_text("Nothing has been collected")

    def collect(events: int) -> str:
        demo = ["ctera_insights", "demo", "--data", str(data), "--events", str(events)]
        subprocess.run([sys.executable, "-m", *demo], check=True, capture_output=True)
        return str(Lake(data).status().events)

    expect(root).to_have_attribute("data-events", collect(1000))
    first = root.get_attribute("data-events")
    root.get_by_role("button", name="Pause").click()
    expect(root.get_by_role("button", name="Watch")).to_be_visible()
    page.wait_for_timeout(500)
    more = collect(1500)
    assert root.get_attribute("data-events") == first
    root.get_by_role("button", name="Watch").click()
    expect(root).to_have_attribute("data-events", more)
    browser.shot("live")
    assert not browser.errors


def test_nothing_and_trouble_are_told_on_the_page(lab: Lab, browser: Browser, activity_file: Path) -> None:
    """A bare inventory offers itself, and a query that fails says why and can be tried again."""
    inventory = (
        "connection.execute('CREATE TABLE kept AS FROM activity')\n"
        "connection.execute('DROP VIEW activity; ALTER TABLE kept RENAME TO activity')\n"
        "connection.execute(\"UPDATE activity SET phase = 'baseline'\")\n"
        "explorer = insights.explore()\nexplorer"
    )
    notebook(lab.folder / "trouble.ipynb", opening(activity_file), inventory)
    run_all(browser, lab.address("trouble.ipynb"))
    explorer = Explorer(browser)
    expect(explorer.root.locator(".ci-empty")).to_contain_text("files and folders")
    browser.shot("explorer-empty")
    explorer.root.get_by_role("button", name="Show the inventory").click()
    expect(explorer.root.locator(".ci-total")).to_have_text(re.compile(r"[\d,]+ events"))
    explorer.ready()

    assert (
        python(explorer, "connection.execute('ALTER TABLE activity RENAME TO gone'); print('gone')") == "gone"
    )
    search = explorer.root.locator("input[type=search]")
    search.fill("project")
    search.press("Enter")
    notice = explorer.root.locator(".ci-notice")
    expect(notice).to_contain_text("activity")
    browser.shot("explorer-trouble")
    python(explorer, "connection.execute('ALTER TABLE gone RENAME TO activity'); print('back')")
    notice.get_by_role("button", name="Try again").click()
    expect(notice).to_be_hidden()
    explorer.ready()
    assert explorer.chips() == ["path contains\n“project”"]
    assert not browser.errors
