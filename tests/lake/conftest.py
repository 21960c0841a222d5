from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctera_insights.lake import FeedWriter, Lake
from ctera_insights.model import wire_schema

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

FEED = "portal.example/admin"


def page(guids: Iterable[str], folder_id: int = 16) -> pa.Table:
    """A decoded page of files."""
    import pyarrow as pa

    rows = [
        {"guid": guid, "type": "file", "name": f"{guid}.txt", "folder_id": folder_id, "deleted": False}
        for guid in guids
    ]
    return pa.Table.from_pylist(rows, wire_schema())


def fill(lake: Lake, batches: int, rows: int = 3, feed: str = FEED) -> None:
    """Commit some batches, the first of them a baseline."""
    with FeedWriter(lake, feed) as writer:
        for _ in range(batches):
            number = writer.position.batch + 1
            writer.commit(
                [page(f"{number}:{row}" for row in range(rows))], [], cursor=f"c{number}", caught_up=True
            )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")
