"""A Portal that serves Direct IO alone, on loopback, for content that a test sets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from ctera_insights.portal import DirectIO, RetryPolicy
from ctera_insights.simulator.blocks import Encoding
from ctera_insights.simulator.directio import (
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    DirectIOSettings,
    add_routes,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

QUICK = RetryPolicy(attempts=3, base_s=0.001, cap_s=0.01, retry_after_cap_s=0.01)


@dataclass
class Served:
    """Content by file id, and how it is served."""

    files: dict[int, bytes | Path] = field(default_factory=dict)
    settings: DirectIOSettings = field(default_factory=DirectIOSettings)
    url: str = ""

    @property
    def source(self) -> Served:
        return self

    def content(self, file_id: int) -> bytes | Path | None:
        return self.files.get(file_id)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served({1: os.urandom(5_000) + bytes(5_500)})
    served.settings.encoding = Encoding(block_size=1000)
    app = web.Application()
    add_routes(app, served, served.settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.fixture
def content(served: Served) -> bytes:
    """What file 1 holds: 10,500 bytes, in blocks of 1,000."""
    data = served.files[1]
    assert isinstance(data, bytes)
    return data


@pytest.fixture
def quick() -> RetryPolicy:
    """Three attempts without waiting."""
    return QUICK


@pytest.fixture
async def connect(served: Served) -> AsyncIterator[Callable[..., DirectIO]]:
    """Make clients of the served Portal; they are closed in the end."""
    clients: list[DirectIO] = []

    def make(**options: object) -> DirectIO:
        credentials = {} if "bearer" in options else {"access_key_id": ACCESS_KEY_ID}
        if "bearer" not in options:
            credentials["secret_access_key"] = SECRET_ACCESS_KEY
        client = DirectIO(served.url, **{"retries": QUICK, **credentials, **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def read() -> Callable[..., Awaitable[bytes]]:
    """Read a range with stream(), checking that blocks follow each other without gaps."""

    async def read(client: DirectIO, file_id: int, start: int = 0, end: int | None = None) -> bytes:
        data = bytearray()
        async for block in client.stream(file_id, start, end):
            assert block.offset == start + len(data)
            assert block.length == len(block.data)
            assert isinstance(block.data, bytes)
            data += block.data
        return bytes(data)

    return read
