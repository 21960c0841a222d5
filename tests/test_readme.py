"""What the README shows, done."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_notebooks_lines_work_on_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "ctera_insights", "demo", "--data", "data/demo", "--events", "5000"]
    subprocess.run(command, check=True, capture_output=True)
    (block,) = [block for block in BLOCKS if "Insights(" in block]
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_python(block: str) -> None:
    compile(block, "README.md", "exec")
