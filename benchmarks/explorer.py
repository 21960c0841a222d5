"""How long the explorer takes from the mouse to the redrawn views, in JupyterLab in headless Chromium.

    python benchmarks/explorer.py                      # 1 and 10 million events
    python benchmarks/explorer.py --rows 100000000     # as many as one likes; 4 GB of disk

The mouse is the browser's own; the page's clock runs from the input event to the animation frame behind the one
that drew every view. The table's rows follow by themselves and are timed to the moment when they stand.
"""

# ruff: noqa: E501 # the made activity reads best as it is

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

_GENERATE = """
COPY (
WITH folders AS (
    SELECT i AS k, cf, cf || '/team-' || (hash(i * 7) % 12) || '/project-' || (hash(i * 11) % 30)
           || CASE WHEN i % 3 = 0 THEN '' ELSE '/' || ['in', 'out', 'draft', 'final', 'scans'][1 + (hash(i * 13) % 5)::INT]
           END AS dir
    FROM (SELECT i, ['Finance', 'Projects', 'Media', 'People', 'Legal', 'Engineering', 'Sales', 'Archive']
                    [1 + least(hash(i) % 8, hash(i * 3) % 8)::INT] AS cf FROM range(20000) r(i))
), drawn AS (
    SELECT i, i // 40 AS session, (hash(i * 17) % greatest({rows} // 4, 1))::BIGINT AS o,
           ['modified', 'modified', 'modified', 'modified', 'created', 'created', 'deleted', 'renamed', 'moved',
            'acl_changed', 'restored'][1 + least(hash(i * 5) % 11, hash(i // 40 * 5) % 16)::INT] AS op,
           ['docx', 'xlsx', 'pdf', 'pptx', 'jpg', 'png', 'txt', 'csv', 'dwg', 'zip', 'mp4', 'psd', 'eml', 'bak', 'tmp',
            'log', 'json', 'xml', '', 'md', 'py', 'tif', 'svg', 'html', 'c', 'h', 'cfg', 'dat']
           [1 + least(hash(i * 19) % 28, hash(i * 23) % 28, hash(i // 40 * 29) % 34)::INT] AS extension,
           (exp((hash(i * 29) % 1600) / 100.0))::BIGINT AS size
    FROM range({rows}) r(i)
), placed AS (
    SELECT *, ((hash(session) % 20000)::BIGINT * (hash(session * 3) % 20000)::BIGINT // 20000) AS k,
           session * 40 * {days}.0 / {rows} AS day,
           'document-' || o || CASE WHEN extension = '' THEN '' ELSE '.' || extension END AS name
    FROM drawn
), timed AS (
    SELECT *, TIMESTAMPTZ '2025-01-01 00:00:00Z'
        + to_days(floor(day)::INT - CASE WHEN dayofweek(DATE '2025-01-01' + floor(day)::INT) IN (0, 6)
                                              AND hash(session * 37) % 8 > 0 AND day >= 3 THEN 3 ELSE 0 END)
        + to_microseconds((7 * 3600 + ((hash(session * 31) % 18000) + (hash(session * 41) % 18000)))::BIGINT * 1000000
                          + (i % 40) * 7000000) AS "at"
    FROM placed
)
SELECT 'made' AS feed, i + 1 AS seq, "at", "at" + INTERVAL 3 SECOND AS collected_at, 'live' AS phase, op,
       'file' AS type, 'g:' || o AS guid, 10::BIGINT AS folder_id, cf AS cloud_folder, dir || '/' || name AS path,
       CASE op WHEN 'renamed' THEN dir || '/draft of ' || name WHEN 'moved' THEN cf || '/inbox/' || name END AS old_path,
       name, extension, 4::INTEGER AS depth, size,
       CASE op WHEN 'created' THEN size WHEN 'deleted' THEN -size
               WHEN 'modified' THEN (hash(i * 3) % 200000)::BIGINT - 80000 ELSE 0 END AS size_delta,
       op = 'deleted' AS deleted, "at" AS file_timestamp, op = 'acl_changed' AS acl_changed,
       1::BIGINT AS batch, i + 1 AS pos
FROM timed JOIN folders USING (k)
ORDER BY "at"
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""


def generate(path: Path, rows: int, *, days: int = 365) -> None:
    """Write made activity: sessions of 40 events that stay in a folder, mostly on workdays."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(_GENERATE.format(path=path, rows=rows, days=days))
    connection.close()


_RECORD = """root => {
    const table = root.querySelector('.ci-table');
    const seen = window.recorded = {views: null, rows: null};
    let began = null;
    let awaited = null;
    window.arm = type => { awaited = type; began = null; seen.views = seen.rows = null; };
    for (const type of ['pointermove', 'click', 'pointerup']) {
        root.addEventListener(type, event => { if (type === awaited) began ??= event.timeStamp; }, true);
    }
    new MutationObserver(() => {
        if (began === null || seen.views !== null) return;
        const from = began;
        seen.views = -1;
        requestAnimationFrame(() => { seen.views = performance.now() - from; });
    }).observe(root, {attributeFilter: ['data-drawn']});
    new MutationObserver(() => {
        if (began !== null && seen.views !== null && seen.rows === null && table.dataset.complete === 'true') {
            seen.rows = performance.now() - began;
        }
    }).observe(table, {attributeFilter: ['data-complete']});
}"""


class Session:
    """The explorer on a page, and the times of what is done to it, in milliseconds."""

    def __init__(self, explorer: Any) -> None:
        self.explorer = explorer
        self.page = explorer.page
        self.times: dict[str, list[float]] = {}
        explorer.root.evaluate(_RECORD)

    def _take(self, kind: str, *, rows: bool) -> None:
        self.page.wait_for_function("window.recorded.views > 0")
        self.times.setdefault(kind, []).append(self.page.evaluate("window.recorded.views"))
        if rows:
            self.page.wait_for_function("window.recorded.rows > 0")
            self.times.setdefault("rows of the table", []).append(self.page.evaluate("window.recorded.rows"))
            self.explorer.ready()

    def brush(self, start: float, steps: int) -> None:
        """Drag over the timeline, step by step."""
        box = self.explorer.root.locator(".ci-plot").bounding_box()
        x, y = box["x"] + 70 + start * (box["width"] - 80), box["y"] + 60
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + 6, y)
        for step in range(steps):
            self.page.evaluate("arm('pointermove')")
            self.page.mouse.move(x + 12 + 7 * step, y)
            self._take("brush step", rows=False)
        self.page.mouse.up()
        self.explorer.ready()

    def click(self, kind: str, locator: Any) -> None:
        """Click something that filters."""
        locator.scroll_into_view_if_needed()
        self.page.evaluate("arm('click')")
        locator.click()
        self._take(kind, rows=True)

    def hours(self, start: float, end: float) -> None:
        """Drag over Tuesday to Thursday in the hour and weekday map."""
        box = self.explorer.root.locator(".ci-heat").bounding_box()
        y = box["y"] + box["height"] * 0.2
        self.page.mouse.move(box["x"] + box["width"] * start, y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"] * end, y + 50)
        self.page.wait_for_timeout(100)
        self.page.evaluate("arm('pointerup')")
        self.page.mouse.up()
        self._take("hours of the week", rows=True)


def work(session: Session) -> None:
    """Some minutes of exploring."""
    root = session.explorer.root
    bars = session.explorer.row
    remove = root.locator(".ci-chip").last
    session.brush(0.2, 20)
    for op in ("deleted", "created", "renamed"):
        session.click("operation", bars("ops", op))
        session.click("operation", bars("ops", op))
    session.brush(0.5, 20)
    for extension in (".docx", ".pdf", ".jpg"):
        session.click("extension", bars("extensions", extension))
        session.click("extension", bars("extensions", extension))
    for cloud_folder in ("Finance", "Legal"):
        session.click("cloud folder", bars("cloudfolders", cloud_folder))
        session.click("cloud folder", bars("cloudfolders", cloud_folder))
    for cloud_folder in ("Media", "Sales", "Projects"):
        session.click("folder, down", bars("folders", cloud_folder))
        session.click("folder, down", root.locator(".ci-folders .ci-row").nth(1))
        session.click("operation", bars("ops", "deleted"))
        session.click("operation", bars("ops", "deleted"))
        session.click("folder, back", root.locator(f'.ci-crumbs button[data-path="{cloud_folder}"]'))
        session.click("folder, back", root.locator(".ci-crumbs button").first)
    session.hours(0.4, 0.6)
    session.click("hours of the week", remove)


def measure(rows: int, folder: Path) -> None:
    """Make so many events, explore them, and print the times."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))
    from browsing import CHROMIUM_FLAGS, Browser, Explorer, chromium, jupyterlab, notebook, opening, run_all
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=600_000)
    path = folder / f"{rows}.parquet"
    generate(path, rows)
    with jupyterlab(folder) as lab, sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        page = chrome.new_page(viewport={"width": 1360, "height": 1500})
        page.set_default_timeout(600_000)
        notebook(lab.folder / f"{rows}.ipynb", opening(path), "explorer = insights.explore()\nexplorer")
        browser = Browser(page)
        run_all(browser, lab.address(f"{rows}.ipynb"), cells=1)
        page.locator(".jp-CodeCell").last.locator(".cm-content").click()
        began = time.perf_counter()
        page.keyboard.press("Control+Enter")
        explorer = Explorer(browser)
        explorer.root.locator(".ci-total").wait_for()
        page.wait_for_function("document.querySelector('.ctera-insights-explorer').dataset.drawn > 0")
        first_s = time.perf_counter() - began
        explorer.ready()
        # Folders are numbered behind the first picture; a person has looked at it by then.
        explorer.row("folders", "Archive").click()
        explorer.ready()
        folders_s = time.perf_counter() - began
        explorer.root.locator(".ci-crumbs button").first.click()
        explorer.ready()
        session = Session(explorer)
        work(session)
        chrome.close()
    path.unlink()
    report(rows, first_s, folders_s, session.times)


def report(rows: int, first_s: float, folders_s: float, times: dict[str, list[float]]) -> None:
    """Print a table in milliseconds."""
    views = [t for kind, taken in times.items() if kind != "rows of the table" for t in taken]
    print(f"\n{rows:,} events: first picture {first_s:.1f} s, folders ready after {folders_s:.1f} s")
    print(f"{'from the mouse to':24}{'n':>5}{'median':>9}{'p95':>9}{'max':>9}   ms")
    for kind, taken in [*times.items(), ("all views redrawn", views)]:
        print(
            f"{kind:24}{len(taken):>5}{statistics.median(taken):>9.0f}"
            f"{percentile(taken, 0.95):>9.0f}{max(taken):>9.0f}"
        )


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return sorted(values)[max(0, -int(-len(values) * share // 1) - 1)]


def main() -> None:
    """Measure each size asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[1_000_000, 10_000_000], help="numbers of events"
    )
    chosen = parser.parse_args()
    for rows in chosen.rows:
        with tempfile.TemporaryDirectory() as folder:
            measure(rows, Path(folder))


if __name__ == "__main__":
    main()
