"""Every notebook runs top to bottom, offline, by papermill itself; what is committed tells no secret."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from ctera_insights.insights.report import notebook_path

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECRET = "a-very-secret-word-7361"
SMALL = {"events": 12_000}
PICTURES = {
    "collect": 0,
    "paths_through_time": 0,
    "ad_hoc_sql": 1,
    "incident_investigation": 3,
    "quickstart": 3,
}


def outputs(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pictures(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def execute(name: str, folder: Path, **parameters: object) -> nbformat.NotebookNode:
    papermill.execute_notebook(
        str(ROOT / "notebooks" / f"{name}.ipynb"), str(folder / f"{name}.ipynb"), parameters=parameters,
        kernel_name="python3", cwd=str(folder), progress_bar=False,
    )  # fmt: skip
    return nbformat.read(folder / f"{name}.ipynb", 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: each finds what the one before has collected, and the report what all have."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if p.stem != "collect"], ids=lambda p: p.stem)
def test_it_runs_top_to_bottom(path: Path, folder: Path):
    executed = execute(path.stem, folder, **({} if path.stem == "report" else SMALL))
    assert pictures(executed) >= PICTURES.get(path.stem, 5)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_what_is_committed_is_executed_and_knows_no_machine(path: Path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [o for o in outputs(notebook) if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert pictures(notebook) >= PICTURES.get(path.stem, 5)
    text = re.sub(r'"image/png": "[^"]*"', "", path.read_text())
    for machine in ("/home/", "/root/", "/tmp/", "/Users/", str(ROOT), sys.prefix, "0x7f"):
        assert machine not in text
    assert any("parameters" in cell.metadata.get("tags", []) for cell in code)


def test_the_report_of_the_package_is_the_one_shown_here():
    here, shipped = (nbformat.read(p, 4) for p in (ROOT / "notebooks" / "report.ipynb", notebook_path()))
    assert [cell.source for cell in here.cells] == [cell.source for cell in shipped.cells]


def test_no_secret_reaches_the_collecting_notebooks_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from ctera_insights.simulator import SimulatedPortal
    from ctera_insights.simulator.sources.scenario import ScenarioSource

    monkeypatch.setenv("CTERA_INSIGHTS_USER", "operator")
    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD", SECRET)
    portal = SimulatedPortal(ScenarioSource("tiny"), user="operator", password=SECRET)
    with portal.run_in_thread():
        executed = execute("collect", tmp_path, portal=portal.url, data="data/mine")
    text = (tmp_path / "collect.ipynb").read_text()
    assert "caught up: True" in json.dumps(outputs(executed))
    assert SECRET not in text


def test_a_refused_login_tells_no_secret_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from papermill.exceptions import PapermillExecutionError

    from ctera_insights.simulator import SimulatedPortal
    from ctera_insights.simulator.sources.scenario import ScenarioSource

    monkeypatch.setenv("CTERA_INSIGHTS_USER", "operator")
    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD", SECRET)
    portal = SimulatedPortal(ScenarioSource("tiny"), user="operator", password="another")
    with portal.run_in_thread(), pytest.raises(PapermillExecutionError, match="LoginRefused"):
        execute("collect", tmp_path, portal=portal.url, data="data/mine")
    assert SECRET not in (tmp_path / "collect.ipynb").read_text()


def test_a_plain_call_works_inside_a_notebooks_loop_and_so_does_await(tmp_path: Path):
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    first = """
import asyncio
import sys

from ctera_insights.plain import run

async def answer():
    await asyncio.sleep(0.01)
    return 42

'nest_asyncio' in sys.modules
"""
    cells = [first, "run(answer()), run(answer())", "await answer()"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output["data"]["text/plain"] for output in outputs(notebook)]
    assert shown == ["False", "(42, 42)", "42"]


def test_the_collecting_notebook_takes_turns_with_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Both have the same feed, so that each event is there once; another Portal gets a feed of its own."""
    import asyncio

    from ctera_insights.lake import Lake
    from ctera_insights.pipeline import collect_portal
    from ctera_insights.simulator import SimulatedPortal
    from ctera_insights.simulator.sources.scenario import ScenarioSource

    monkeypatch.setenv("CTERA_INSIGHTS_PASSWORD", SECRET)
    portal, other = (SimulatedPortal(ScenarioSource("tiny"), user="operator", password=SECRET) for _ in "ab")
    with portal.run_in_thread(), other.run_in_thread():
        asyncio.run(collect_portal(portal.url, tmp_path / "data", user="operator", password=SECRET))
        events = Lake(tmp_path / "data").status().events
        for number, at in enumerate((portal, other)):
            execute(
                "collect", tmp_path, portal=at.url, data="data", user="operator", minutes=1, follow="False",
                cloud_folders="", feed="",
            )  # fmt: skip
            status = Lake(tmp_path / "data").status()
            assert (len(status.feeds), status.events) == (1 + number, events * (1 + number))
