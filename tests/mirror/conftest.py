"""A Portal with Direct IO over a real directory, and a feed's view of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ctera_insights.mirror import RemoteFile
from ctera_insights.portal import DirectIO, RetryPolicy
from ctera_insights.simulator.blocks import Encoding
from ctera_insights.simulator.directio import (
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    DirectIOSettings,
    add_routes,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WRITTEN = datetime(2026, 3, 1, 12, 30, 15, 123_456, tzinfo=UTC)


@dataclass
class Share:
    """Files by path, served by Direct IO."""

    contents: dict[int, bytes] = field(default_factory=dict)
    files: list[RemoteFile] = field(default_factory=list)
    settings: DirectIOSettings = field(default_factory=DirectIOSettings)
    url: str = ""

    @property
    def source(self) -> Share:
        return self

    def content(self, file_id: int) -> bytes | None:
        return self.contents.get(file_id)

    def add(self, path: str, data: bytes = b"content", *, version: int = 1) -> RemoteFile:
        """Put a file there, or another version of it."""
        file_id = len(self.contents) + 1
        remote = RemoteFile(path, file_id, len(data), WRITTEN, f"v{version}")
        self.contents[file_id] = data
        self.files.append(remote)
        return remote


@pytest.fixture
async def share() -> AsyncIterator[Share]:
    share = Share(settings=DirectIOSettings(encoding=Encoding(block_size=50_000)))
    app = web.Application()
    add_routes(app, share, share.settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    share.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield share
    await runner.cleanup()


@pytest.fixture
async def client(share: Share) -> AsyncIterator[DirectIO]:
    quick = RetryPolicy(attempts=2, base_s=0.001, cap_s=0.01)
    async with DirectIO(share.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY, retries=quick) as client:
        yield client


def tree(top: Path) -> dict[str, bytes]:
    """Everything below a directory but the mirror's notes, by relative path."""
    found = {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}
    found.pop(".ctera-insights-mirror.jsonl", None)
    return found


@pytest.fixture(name="tree")
def tree_fixture():
    return tree
