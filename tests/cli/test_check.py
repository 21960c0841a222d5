"""`check`, `check --repair`, and what other commands say of a store whose log is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ctera_insights.lake import Lake
from tests.cli.test_cli import run
from tests.lake.conftest import fill
from tests.lake.test_repair import held


@pytest.fixture
def data(tmp_path: Path) -> Path:
    fill(Lake(tmp_path / "lake"), 3)
    return tmp_path / "lake"


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["check"],
        ["sql", "SELECT 1"],
        ["views"],
        ["enrich"],
        ["enrich", "--rebuild"],
        ["optimize", "--keep-replaced", "0"],
        ["alerts"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_every_command_says_that_the_log_is_lost_and_how_to_get_it_back(
    data: Path, command: list[str]
) -> None:
    """With exit code 7, and without touching a file."""
    shutil.rmtree(data / "events/_delta_log")
    before = sorted(path for path in data.glob("**/*.parquet"))
    done = run(command[0], "--data", data, *command[1:], code=7)
    assert f"check --repair --data {data}" in done.stderr
    assert sorted(path for path in data.glob("**/*.parquet")) == before


def test_a_repair_tells_what_it_did_and_then_checks(data: Path) -> None:
    before = held(Lake(data))
    shutil.rmtree(data / "events/_delta_log")
    lines = run("check", "--data", data, "--repair").stdout.splitlines()
    assert lines[0] == "events: the log was gone; it was built anew from 3 data files."
    assert lines[1].startswith(
        "portal.example/admin: 9 events in 3 batches; the next collect goes on behind batch 3."
    )
    assert lines[-1].startswith("The store is sound")
    assert held(Lake(data)) == before
    assert run("check", "--data", data, "--repair").stdout.startswith("There was nothing to repair.")


def test_findings_and_what_was_done_come_as_json(data: Path) -> None:
    found = json.loads(run("check", "--data", data, "--json").stdout)
    assert (found["findings"], found["repaired"]) == ([], [])
    assert any("never derived" in note for note in found["notes"])
    lost = Path(Lake(data).events.snapshot().files[1].uri)
    lost.write_bytes(lost.read_bytes()[:-1] + b"?")
    found = json.loads(run("check", "--data", data, "--json", code=7).stdout)
    (rotten, *rest) = found["findings"]
    assert rotten["where"].endswith(lost.name)
    assert "it held batch 2 of 'portal.example/admin' (seq 4 to 6)" in rotten["what"]
    assert "--resync" in rotten["what"]
    assert [finding["what"] for finding in rest] == ["seq 4 is missing (3 such events)"]
    done = json.loads(run("check", "--data", data, "--json", "--repair", "--leave-out-damaged").stdout)
    assert any("it was left out" in line for line in done["repaired"])
    assert done["findings"] == []
    assert any("3 events of seq 4 to 6 were given up" in note for note in done["notes"])
    gone = Path(Lake(data).events.snapshot().files[0].uri)
    gone.unlink()  # what is lost later is a finding all the same
    found = json.loads(run("check", "--data", data, "--json", code=7).stdout)
    assert "seq 1 is missing (3 such events)" in [finding["what"] for finding in found["findings"]]


def test_giving_up_damaged_files_belongs_to_a_repair(data: Path) -> None:
    assert "--repair" in run("check", "--data", data, "--leave-out-damaged", code=2).stderr
