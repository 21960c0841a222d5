"""The report: one call, one file, everything in it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import nbformat
import pytest

from ctera_insights.activity import enrich_lake
from ctera_insights.collect import Collector
from ctera_insights.errors import InsightsError, UsageError
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
    with pytest.raises(InsightsError, match="StoreNotFound"):
        make_report(tmp_path / "nowhere", to)
    assert not to.exists()


def test_credentials_in_the_stores_url_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="environment"):
        make_report("s3://key:secret@bucket/data", tmp_path / "r.html")


def test_the_notebook_comes_with_the_package():
    notebook = nbformat.read(notebook_path(), 4)
    nbformat.validate(notebook)
    assert any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells)
    assert not any(cell.get("outputs") for cell in notebook.cells)
