"""A small simulated Portal, a client that is logged in to it, and a bare server for oddities."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy, Timeouts
from ctera_insights.simulator import Feed, SimulatedPortal, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from aiohttp.typedefs import Handler

QUICK = RetryPolicy(attempts=60, base_s=0.001, cap_s=0.02, retry_after_cap_s=0.01)
SHORT = Timeouts(connect_s=5, read_s=5, longpoll_s=0.2, longpoll_margin_s=2)


@pytest.fixture
def world() -> World:
    """Two cloud folders with five objects besides their roots."""
    world = World(Feed())
    projects = world.cloud_folder("Projects", uid=16)
    reports = world.create(projects, "Reports 📣", type="folder")
    world.create(reports, "2026 final.docx", size=1200)
    world.create(projects, "plan.txt", size=12)
    legal = world.cloud_folder("Legal", owner="slee", domain="acme.com", uid=40)
    world.create(legal, "contract.pdf", size=99)
    world.create(legal, "notes", type="folder")
    return world


@pytest.fixture
async def portal(world: World) -> AsyncIterator[SimulatedPortal]:
    """Serves ``world`` over plain HTTP."""
    async with SimulatedPortal(world) as portal:
        yield portal


@pytest.fixture
async def admin(portal: SimulatedPortal) -> AsyncIterator[AsyncGlobalAdmin]:
    """Is logged in, tries again quickly, and holds long-polls for 0.2 s."""
    async with AsyncGlobalAdmin(portal.url, retries=QUICK, timeouts=SHORT) as admin:
        await admin.login(portal.user, portal.password)
        yield admin


@pytest.fixture
def served() -> Callable[..., AbstractAsyncContextManager[str]]:
    """A bare web server that gives every request to a handler: ``async with served(handler) as url``."""

    @asynccontextmanager
    async def serve(handler: Handler, **options: Any) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, **options).start()
            yield f"{'https' if options else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    return serve
