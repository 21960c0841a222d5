"""What every test stands on: an async test fails when package code blocks its event loop."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from blockbuster import blockbuster_ctx

if TYPE_CHECKING:
    from collections.abc import Iterator

# (file, function, why it may block)
MAY_BLOCK = [
    ("<frozen importlib._bootstrap>", "_find_and_load", "modules are imported where they are first used"),
    ("<frozen importlib._bootstrap>", "_handle_fromlist", "the same, by `from package import module`"),
    ("aiohttp/connector.py", "_make_ssl_context", "aiohttp loads the system's authorities when first used"),
]


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an async test when code of the package blocks the event loop."""
    with ExitStack() as stack:
        if request.node.get_closest_marker("asyncio") is not None:
            blockbuster = stack.enter_context(blockbuster_ctx("ctera_insights"))
            for function in blockbuster.functions.values():
                for file, name, _ in MAY_BLOCK:
                    function.can_block_in(file, name)
        yield
