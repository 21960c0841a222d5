"""The explorer without a page: its numbers are DuckDB's, its pictures stand in executed notebooks."""

from __future__ import annotations

import base64
import gc
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import nbformat
import numpy as np
import pytest

from ctera_insights.errors import QueryFailed, UsageError
from ctera_insights.insights import Insights
from ctera_insights.widgets.codes import OPS
from ctera_insights.widgets.explorer import Explorer
from ctera_insights.widgets.frame import frame
from ctera_insights.widgets.index import Index
from ctera_insights.widgets.pages import Pages
from ctera_insights.widgets.selection import Selection
from ctera_insights.widgets.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
TZ = "Europe/Berlin"
CHANGES = "phase = 'live' AND op <> 'unchanged'"


@pytest.fixture(scope="module")
def activity_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from explorer import generate

    path = tmp_path_factory.mktemp("activity") / "activity.parquet"
    generate(path, 30_000)
    return path


@pytest.fixture
def insights(activity_file: Path) -> Insights:
    connection = duckdb.connect()
    # Beside the made rows: an inventory, an unknown cloud folder, quotes, folders.
    connection.execute(f"""
        CREATE TABLE activity AS FROM read_parquet('{activity_file}');
        INSERT INTO activity BY NAME
        SELECT 'made' AS feed, 1000000 + i AS seq, TIMESTAMPTZ '2025-06-01 12:00:00Z' AS "at",
               phase, op, type, cloud_folder, path, name, extension, size_delta
        FROM (VALUES
            (1, 'baseline', 'created', 'file', 'Legal', 'Legal/kept.txt', 'kept.txt', 'txt', NULL),
            (2, 'live', 'unchanged', 'file', 'Legal', 'Legal/kept.txt', 'kept.txt', 'txt', NULL),
            (3, 'live', 'created', 'file', NULL, '?/lost.txt', 'lost.txt', 'txt', 5),
            (4, 'live', 'created', 'folder', 'O''Neill', 'O''Neill', 'O''Neill', NULL, NULL),
            (5, 'live', 'created', 'folder', 'O''Neill', 'O''Neill/a "b"', 'a "b"', NULL, NULL),
            (6, 'live', 'modified', 'file', 'O''Neill', 'O''Neill/a "b"/x', 'x', '', -7),
            (7, 'live', 'modified', 'file', 'O''Neill', 'O''Neill/a.txt', 'a.txt', 'txt', 0)
        ) v(i, phase, op, type, cloud_folder, path, name, extension, size_delta)""")
    return Insights(connection, tz=TZ)


@pytest.fixture
def index(insights: Insights) -> Iterator[Index]:
    connection = insights.connection.cursor()
    connection.execute("SET TimeZone = 'UTC'")
    made = Index(connection, TZ)
    made.build()
    yield made
    made.close()


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


SELECTIONS = [
    Selection(),
    Selection(op=("deleted", "moved")),
    Selection(extension=("pdf", "", None)),
    Selection(cloud_folder=("Legal", None)),
    Selection(folder="O'Neill"),
    Selection(folder="Media/team-3", op=("created",)),
    Selection(folder="nowhere"),
    Selection(text="project-2"),
    Selection(text="DRAFT OF", folder="Finance", op=("renamed",)),
    Selection(weekdays=(0, 4), hours=(8, 11)),
    Selection(weekdays=(5, 6), extension=("docx",)),
    Selection(since=ms("2025-03-02T05:00"), until=ms("2025-03-09T23:00"), op=("modified",)),
    Selection(domain=(ms("2025-10-20T00:00"), ms("2025-11-02T00:00")), folder="Sales"),
    Selection(domain=(ms("2025-10-01T00:00"), ms("2025-12-01T00:00")), since=ms("2025-10-20T06:00")),
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=lambda s: ", ".join(s.words(TZ)) or "all")
def test_views_count_what_duckdb_counts(index: Index, insights: Insights, selection: Selection) -> None:
    """Each view shows the events that pass all filters but its own, and the bytes added and removed."""
    shown = frame(index, selection)
    window = shown.window(selection.since, selection.until)

    def truth(query: str, **without: Any) -> dict[Any, Any]:
        left = Selection(**{**{f: getattr(selection, f) for f in selection.state()}, **without})
        rows = insights.connection.sql(
            f"SELECT {query} FROM activity WHERE {left.where(TZ)} GROUP BY ALL"
        ).fetchall()
        return {key: values[0] if len(values) == 1 else tuple(values) for key, *values in rows}

    def seen(labels: Any, counts: Any) -> dict[Any, int]:
        return {k: int(n) for k, n in zip(labels, counts[window].sum(axis=0), strict=False) if n}

    assert seen(OPS, shown.ops) == truth("op, count(*)", op=())
    assert (
        seen(shown.extension_values, shown.extensions[:, : len(shown.extension_values)]).items()
        <= truth("extension, count(*)", extension=()).items()
    )
    assert shown.extensions[window].sum() == sum(truth("extension, count(*)", extension=()).values())
    assert seen(shown.cloud_folder_values, shown.cloud_folders) == truth(
        "cloud_folder, count(*)", cloud_folder=()
    )
    local = f"\"at\" AT TIME ZONE '{TZ}'"
    assert seen(range(168), shown.hours) == truth(
        f"(isodow({local}) - 1) * 24 + hour({local}), count(*)", weekdays=None, hours=None
    )
    sizes = truth("1, sum(greatest(size_delta, 0)), sum(greatest(-size_delta, 0))").get(1) or (0, 0)
    assert shown.sizes[window].sum(axis=0).tolist() == [float(v or 0) for v in sizes]
    folder = (
        f"CASE WHEN path = $${selection.folder}$$ "
        f"OR type = 'file' AND path = $${selection.folder}/$$ || name "
        f"THEN '(files directly here)' ELSE split_part(path, '/', {selection.folder.count('/') + 2}) END"
        if selection.folder
        else "coalesce(cloud_folder, '(unknown)')"
    )
    assert seen([c.name for c in shown.child_labels], shown.children) == truth(f"{folder}, count(*)")


@pytest.mark.parametrize("selection", SELECTIONS, ids=lambda s: ", ".join(s.words(TZ)) or "all")
def test_pages_are_the_rows_in_order(
    index: Index, insights: Insights, selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any page holds the rows that one sorted query over all of the selection has there."""
    monkeypatch.setattr("ctera_insights.widgets.pages._FEW_ROWS", 500)
    everything = insights.connection.sql(
        f'SELECT path FROM activity WHERE {selection.where(TZ)} ORDER BY "at" DESC, feed, seq DESC, path'
    ).fetchall()
    pages = Pages(index)
    shown = frame(index, selection)
    for offset in sorted({0, 1, 199, len(everything) // 2, max(len(everything) - 3, 0), len(everything)}):
        page = pages.page(shown, selection, offset, 50)
        assert [row[3] for row in page] == [path for (path,) in everything[offset : offset + 50]]


def test_a_selection_from_python(insights: Insights) -> None:
    """Filters are set one by one, given back as SQL, relation and frame, and refused when they cannot be."""
    explorer = Explorer(insights)
    explorer.select(op=["deleted"], extension=".PDF").select(path="/Legal/", since="2025-02-01")
    expected = insights.changes(op="deleted", extension="pdf", cloud_folder="Legal", since="2025-02-01").df()
    assert len(explorer.df()) == len(expected) > 0
    assert set(explorer.df()["seq"]) == set(expected["seq"])
    assert explorer.relation.aggregate("count(*)").fetchall() == [(len(expected),)]
    assert "in Legal" in repr(explorer)
    explorer.select(op=None, since=None, extension=None, path=None)
    assert explorer.selection == Selection()
    for wrong in (
        {"op": "shredded"},
        {"colour": "red"},
        {"hours": 25},
        {"since": "2025-02-01", "until": "2024-01-01"},
    ):
        with pytest.raises(UsageError):
            explorer.select(**wrong)
    explorer.close()


def test_an_empty_store_and_a_bare_inventory(insights: Insights) -> None:
    """Without a change there is nothing to count, and the explorer says what there is instead."""
    insights.connection.execute("DELETE FROM activity WHERE phase = 'live'")
    explorer = Explorer(insights)
    sent: list[Any] = []
    explorer.send = lambda content, *_: sent.append(content)
    explorer._send_frame()
    explorer._show_inventory()
    assert (sent[0]["kind"], sent[0]["inventory"]) == ("empty", 1)
    assert (sent[1]["kind"], sent[1]["events"]) == ("frame", 1)
    assert "No activity yet" in explorer.select(text="x").svg() or explorer.svg()
    explorer.close()


def test_trouble_shows_on_the_page(insights: Insights) -> None:
    """A query that fails and a state that cannot be are told, and the explorer goes on."""
    explorer = Explorer(insights)
    sent: list[Any] = []
    explorer.send = lambda content, *_: sent.append(content)
    explorer.state = {**explorer.state, "hours": [9, 30]}
    explorer._index.number_folders()
    explorer._index.folders_ready.wait()
    insights.connection.execute("ALTER TABLE activity RENAME TO gone")
    explorer.state = {**explorer.state, "hours": None, "text": "invoice"}
    explorer._work.submit(lambda: None).result()
    assert [s["kind"] for s in sent] == ["error", "error"]
    assert "activity" in sent[1]["text"]
    insights.connection.execute("ALTER TABLE gone RENAME TO activity")
    explorer.state = {**explorer.state, "text": "project"}
    explorer._work.submit(lambda: None).result()
    assert sent[-1]["kind"] == "frame"
    explorer.close()


@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])
@pytest.mark.parametrize("span_s", [50, 7200, 86_400 * 9, 86_400 * 400, 86_400 * 4000])
def test_bins_cover_the_time_and_begin_at_grains(tz: str, span_s: int) -> None:
    """However long the time, a few hundred increasing bins cover it; local hours and days begin at grains."""
    first = 1_743_290_000  # the night before a change of summer time
    timeline = Timeline.over(first, first + span_s, tz)
    edges = timeline.edges_s()
    assert 1 <= len(edges) - 1 <= 402
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= first
    assert edges[-1] > first + span_s
    assert not (edges % timeline.grain_s).any()


def test_executed_notebooks_keep_a_picture(activity_file: Path, tmp_path: Path) -> None:
    """papermill's notebook holds a PNG of the explorer, and nbconvert's HTML shows it without any script."""
    cell = (
        "import duckdb\nfrom ctera_insights.insights import Insights\n"
        "from ctera_insights.widgets import explore\n"
        f"c = duckdb.connect(); c.execute(\"CREATE VIEW activity AS FROM read_parquet('{activity_file}')\")\n"
        "explore(Insights(c)).select(op='deleted')"
    )
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, tmp_path / "in.ipynb")
    run = [sys.executable, "-m", "papermill", str(tmp_path / "in.ipynb"), str(tmp_path / "out.ipynb")]
    subprocess.run(run, check=True, capture_output=True)
    data = json.loads((tmp_path / "out.ipynb").read_text())["cells"][0]["outputs"][-1]["data"]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" not in data
    convert = [sys.executable, "-m", "nbconvert", "--to", "html", str(tmp_path / "out.ipynb")]
    subprocess.run(convert, check=True, capture_output=True)
    assert "data:image/png;base64," in (tmp_path / "out.html").read_text()


def test_an_explorer_that_cannot_open_goes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is told once, where it was asked for, and not again when what was begun is collected."""
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with pytest.raises(QueryFailed):
        Insights(duckdb.connect()).explore()
    gc.collect()
    assert told == []


def test_the_ending_of_a_picture_is_one_that_can_be_written(insights: Insights, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png or \.svg, not as x\.bmp"):
        insights.explore().save(tmp_path / "x.bmp")
    assert not any(tmp_path.iterdir())
