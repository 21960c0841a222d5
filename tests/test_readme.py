"""What the README shows, done."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ctera_insights import connect
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.sources.scenario import ScenarioSource

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    command = [sys.executable, "-m", "ctera_insights", "demo", "--data", "data/demo", "--events", "5000"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return folder


def test_the_table_of_views_names_their_columns(demo: Path) -> None:
    with connect(demo / "data" / "demo") as connection:
        for view in ("events", "activity", "objects", "folders", "batches", "quarantine"):
            (row,) = re.findall(rf"^\| `{view}` \|[^|]*\| (.*) \|$", README, re.MULTILINE)
            told = [name for names in re.findall(r"`([^`]*)`", row) for name in names.split(", ")]
            assert sorted(told) == sorted(connection.sql(f"FROM {view}").columns), view


def test_the_notebooks_lines_work_on_the_demo(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(demo)
    (block,) = [block for block in BLOCKS if "Insights(" in block]
    exec(compile(block, "README.md", "exec"), {})


def test_the_client_runs_as_it_stands() -> None:
    """Each event is done once, and a page of them saves its cursor."""
    (block,) = [block for block in BLOCKS if "AsyncGlobalAdmin(" in block]
    with SimulatedPortal(ScenarioSource("tiny"), password="pw").run_in_thread() as portal:
        for shown, here in (("portal.example.com", portal.url), ("auditor", portal.user), ("…", "pw")):
            assert f'"{shown}"' in block
            block = block.replace(f'"{shown}"', repr(here))
        with subprocess.Popen(
            [sys.executable, "-u", "-c", block],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        ) as program:
            assert program.stdout is not None
            said = []
            for line in program.stdout:
                said.append(line)
                if line.startswith("go on from here:"):
                    break
            program.kill()
    assert said[-1].startswith("go on from here:"), said[-20:]
    assert len(said) > 100


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_python(block: str) -> None:
    compile(block, "README.md", "exec")
