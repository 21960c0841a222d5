"""What deriving spills to the disk does not outlast its process for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ctera_insights.activity.spill import PREFIX, spill_directory
from ctera_insights.activity.store import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import sys, time
from ctera_insights.activity.spill import spill_directory
with spill_directory() as path:
    open(path + "/spilled", "wb").write(b"x" * 1000)
    print(path, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process, and the directory that it spills to."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_nothing_is_left(scratch: Path) -> None:
    with connection() as con:
        con.execute("SELECT 1")
        assert list(scratch.glob(f"{PREFIX}*"))
    assert not list(scratch.iterdir())


def test_what_a_killed_process_left_goes_and_what_one_uses_stays(
    holder: tuple[subprocess.Popen[str], Path],
) -> None:
    process, path = holder
    with spill_directory():
        assert (path / "spilled").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with spill_directory() as mine:
        assert not path.exists()
        assert Path(mine).is_dir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make what is another's")
def test_what_is_not_ours_is_left_alone(scratch: Path, holder: tuple[subprocess.Popen[str], Path]) -> None:
    """Least of all by a link that someone else put there."""
    process, path = holder
    process.kill()
    process.wait()
    os.chown(path, 12345, -1)
    precious = scratch / "precious"
    precious.write_text("precious")
    (path / "lock").unlink()
    (path / "lock").symlink_to(precious)
    with spill_directory():
        pass
    assert (path / "spilled").exists()
    assert precious.read_text() == "precious"
