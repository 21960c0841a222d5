"""The report: one call, one file, everything in it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import nbformat
import pytest

from ctera_insights.activity import enrich_lake
from ctera_insights.collect import Collector
from ctera_insights.errors import InsightsError, ReportIncomplete, StoreNotFound, UsageError
from ctera_insights.insights.report import make_report, notebook_path
from ctera_insights.lake import Lake
from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.sources.scenario import ScenarioSource

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")

    async def collect() -> None:
        async with SimulatedPortal(ScenarioSource("tiny")) as portal, AsyncGlobalAdmin(portal.url) as admin:
            await admin.login(portal.user, portal.password)
            await Collector(admin.notifications, Lake(folder), "tiny").run()
        await enrich_lake(Lake(folder))

    asyncio.run(collect())
    return folder


def test_a_report_is_one_file_that_needs_no_other(store: Path, tmp_path: Path):
    to = make_report(store, tmp_path / "report.html", tz="Europe/Berlin", title="Files <of> ours")
    page = to.read_text()
    assert page.count("data:image/png;base64,") >= 10
    assert "Files &lt;of&gt; ours" in page
    assert "Europe/Berlin" in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)[^"']*""", page)
    assert "<script" not in page
    assert "import" not in re.sub(r"base64,[\w+/=]+", "", page), "the code is hidden"


def test_a_period_narrows_the_report(store: Path, tmp_path: Path):
    kept = tmp_path / "kept.ipynb"
    to = make_report(store, tmp_path / "r.html", since="2026-06-20", until="2026-06-25", keep=kept)
    assert "since 2026-06-20 00:00 UTC" in to.read_text()
    assert nbformat.read(kept, 4).metadata.papermill.parameters.until == "2026-06-25T00:00:00+00:00"


def test_a_report_on_nothing_still_comes(store: Path, tmp_path: Path):
    assert "nothing yet" in make_report(store, tmp_path / "r.html", since="2031-01-01").read_text()


def test_a_wrong_store_is_named_and_writes_nothing(tmp_path: Path):
    to = tmp_path / "r.html"
    with pytest.raises(StoreNotFound, match="nowhere"):
        make_report(tmp_path / "nowhere", to)
    assert not to.exists()


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path):
    with pytest.raises(UsageError, match="no directory"):
        make_report(tmp_path / "not looked at", tmp_path / "no" / "r.html")


def test_a_part_that_fails_says_so_in_its_place_and_the_others_go_on(store: Path, tmp_path: Path):
    notebook = nbformat.read(notebook_path(), 4)
    broken = nbformat.v4.new_code_cell("raise ValueError('no <b>picture</b>\\nof this')")
    at = next(i for i, cell in enumerate(notebook.cells) if cell.source == "## Growth")
    notebook.cells = [*notebook.cells[:2], *notebook.cells[at - 1 : at + 1], broken, notebook.cells[-1]]
    nbformat.write(notebook, tmp_path / "own.ipynb")
    to, kept = tmp_path / "report.html", tmp_path / "kept.ipynb"
    with pytest.raises(ReportIncomplete) as failure:
        make_report(store, to, notebook=tmp_path / "own.ipynb", keep=kept)
    assert failure.value.path == to
    assert failure.value.failures == ("Growth: ValueError: no <b>picture</b>",)
    page = to.read_text()
    assert "This part failed: ValueError: no &lt;b&gt;picture&lt;/b&gt;" in page
    assert "median_lag_s" in page.partition("This part failed")[2], "what follows goes on"
    for text in (page, kept.read_text()):
        assert "Traceback" not in text


def test_without_its_beginning_there_is_no_report(store: Path, tmp_path: Path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import no_such_package_of_ours")])
    nbformat.write(notebook, tmp_path / "own.ipynb")
    with pytest.raises(InsightsError, match="ModuleNotFoundError"):
        make_report(store, tmp_path / "r.html", notebook=tmp_path / "own.ipynb")
    assert not (tmp_path / "r.html").exists()


def test_credentials_in_the_stores_url_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="environment"):
        make_report("s3://key:secret@bucket/data", tmp_path / "r.html")


def test_a_file_that_is_no_notebook_is_told(store: Path, tmp_path: Path):
    (tmp_path / "own.ipynb").write_text("no notebook")
    with pytest.raises(UsageError, match=r"own\.ipynb"):
        make_report(store, tmp_path / "r.html", notebook=tmp_path / "own.ipynb")


def test_the_notebook_comes_with_the_package():
    notebook = nbformat.read(notebook_path(), 4)
    nbformat.validate(notebook)
    assert any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells)
    assert not any(cell.get("outputs") for cell in notebook.cells)
