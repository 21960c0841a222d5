"""A Portal that serves what a test writes down, and at one place or another does what no Portal should."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Hook = Callable[[str, web.Request], Awaitable[web.StreamResponse | None]]

SESSION = '<obj class="PortalSession"><att id="username"><val>admin</val></att></obj>'
ROOT = {
    "type": "folder",
    "guid": "root",
    "folder_id": 1,
    "deleted": False,
    "name": "Team",
    "portal_modified_date": "2026-01-01T00:00:00Z",
}


def file(guid: str, **more: Any) -> dict[str, Any]:
    entry = {
        "type": "file",
        "guid": guid,
        "folder_id": 1,
        "deleted": False,
        "name": f"{guid}.txt",
        "parent_guid": "root",
        "size": 5,
        "portal_modified_date": "2026-02-01T00:00:00Z",
    }
    return entry | more


class ScriptedPortal:
    """Serves pages in order; the cursor is the number of the page.

    Args:
        pages: lists of entries; more may be added while it runs.
        hook: asked first, with the name of the endpoint; ``None`` means: as usual.
    """

    def __init__(self, *pages: list[dict[str, Any]], hook: Hook | None = None, tenant: str = "") -> None:
        self.pages = list(pages)
        self.asked: list[str] = []
        self.url = ""
        self._hook = hook
        self._tenant = tenant

    async def __aenter__(self) -> Self:
        app = web.Application()
        text = {
            "login": "<val>Login succeed</val>",
            "currentSession": SESSION,
            "currentPortal": f"<val>{self._tenant}</val>",
            "version": "<val>8.3</val>",
            "logout": "<val>bye</val>",
        }
        for context in ("admin", "ServicesPortal"):
            for name, answer in text.items():
                app.router.add_route("*", f"/{context}/api/{name}", self._answering(name, self._text(answer)))
            for name in ("list", "longpoll", "ancestors"):
                path = f"/{context}/v2/api/metadata/{name}"
                app.router.add_post(path, self._answering(name, getattr(self, f"_{name}")))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _answering(self, name: str, usual: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.asked.append(name)
            special = await self._hook(name, request) if self._hook else None
            return special if special is not None else await usual(request)

        return answer

    def _text(self, text: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(_: web.Request) -> web.StreamResponse:
            response = web.Response(text=text, content_type="text/xml")
            response.headers["Set-Cookie"] = "JSESSIONID=0123456789"
            return response

        return answer

    async def _list(self, request: web.Request) -> web.StreamResponse:
        at = int((await request.json())["cursor"] or 0)
        entries = self.pages[at] if at < len(self.pages) else []
        after = min(at + 1, len(self.pages))
        return page(entries, str(after), more=after < len(self.pages))

    async def _longpoll(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if int(asked["cursor"]) >= len(self.pages):
            await asyncio.sleep(min(0.2, asked["timeout"] / 1000))
        return web.json_response({"changes": int(asked["cursor"]) < len(self.pages)})

    async def _ancestors(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "not found"}, status=404)


def page(entries: list[dict[str, Any]], cursor: str, *, more: bool) -> web.Response:
    body = json.dumps({"has_more": more, "cursor": cursor, "entries": entries})
    return web.Response(text=body, content_type="application/json")


async def silence(_: web.Request) -> web.StreamResponse:
    """The connection stands, and nothing comes."""
    await asyncio.sleep(600)
    raise AssertionError


async def drip(request: web.Request) -> web.StreamResponse:
    """A byte now and then, and never the last."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def busy(_: web.Request) -> web.StreamResponse:
    """Come back in five minutes."""
    return web.Response(status=503, headers={"Retry-After": "300"})
