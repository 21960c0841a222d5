from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory to serve: 40 files in 4 folders."""
    tree = tmp_path_factory.mktemp("served") / "Projects"
    for number in range(40):
        path = tree / f"folder {number % 4}" / f"file {number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * number)
    return tree
