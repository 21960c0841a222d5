"""The JavaScript that is shipped is what its sources build to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WIDGETS = Path(__file__).parents[2] / "ctera_insights" / "widgets"


def test_the_shipped_modules_are_built_from_their_sources(tmp_path: Path) -> None:
    """`npm ci && npm run build` gives the committed modules, byte for byte."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail(
            "Rebuilding the widgets needs Node.js with npm: apt-get install -y nodejs npm", pytrace=False
        )
    shutil.copytree(WIDGETS / "js", tmp_path / "js", ignore=shutil.ignore_patterns("node_modules"))
    for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
        ended = subprocess.run(
            [npm, *command], cwd=tmp_path / "js", capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
    for name in ("explorer.js", "live.js"):
        assert (tmp_path / "static" / name).read_bytes() == (WIDGETS / "static" / name).read_bytes(), (
            f"{name} is older than its sources: npm run build"
        )
