"""The JSON endpoints of the Notification Service: list, long-poll, ancestors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ctera_insights.simulator.cursors import CursorNotAccepted
from ctera_insights.simulator.sessions import CONTEXTS

if TYPE_CHECKING:
    from ctera_insights.simulator.server import SimulatedPortal


def add_routes(app: web.Application, portal: SimulatedPortal) -> None:
    """Add the endpoints, in both contexts; a route's name ends in the endpoint's."""
    handlers = _Handlers(portal)
    for context in CONTEXTS:
        root = f"/{context}/v2/api/metadata"
        app.router.add_post(f"{root}/list", handlers.page, name=f"{context}.list")
        app.router.add_post(f"{root}/longpoll", handlers.longpoll, name=f"{context}.longpoll")
        app.router.add_post(f"{root}/ancestors", handlers.ancestors, name=f"{context}.ancestors")


def refuse(status: int, message: str, *, field: str | None = None) -> web.Response:
    """Answer with an error, in JSON; an error of one field of the request is told in ``details`` too."""
    body: dict[str, Any] = {"status": status, "msg": message}
    if field is not None:
        body |= {"msg": "Validation failed", "details": [{"field": field, "error": message}]}
    return web.json_response(body, status=status)


class _Refused(Exception):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class _Handlers:
    def __init__(self, portal: SimulatedPortal) -> None:
        self._portal = portal

    async def page(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request)
            page = await asyncio.to_thread(
                self._portal.feed.page,
                _cursor(body),
                self._folder_ids(body) or [],
                _count(body, "max_results", 2000),
                self._portal.faults.disturbance(),
            )
        except _Refused as error:
            return refuse(400, str(error), field=error.field)
        except CursorNotAccepted as error:
            return refuse(400, str(error), field="cursor")
        return web.Response(body=page, content_type="application/json", charset="utf-8")

    async def longpoll(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request)
            timeout_s = (_count(body, "timeout", 10_000) or 10_000) / 1000
            changes = await self._portal.feed.wait(_cursor(body), self._folder_ids(body), timeout_s)
        except _Refused as error:
            return refuse(400, str(error), field=error.field)
        except CursorNotAccepted as error:
            return refuse(400, str(error), field="cursor")
        return web.json_response({"changes": changes})

    async def ancestors(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request)
            folder_id, guid = _count(body, "folder_id", -1), _text(body, "guid")
        except _Refused as error:
            return refuse(400, str(error), field=error.field)
        chain = await asyncio.to_thread(self._portal.feed.ancestors, folder_id, guid)
        if chain is None:
            return refuse(404, "The object does not exist")
        return web.Response(body=b"[%b]" % b",".join(chain), content_type="application/json", charset="utf-8")

    def _folder_ids(self, body: dict[str, Any]) -> list[int] | None:
        ids = body.get("folder_ids")
        if ids is None:
            return None
        if not isinstance(ids, list) or not all(type(uid) is int for uid in ids):
            raise _Refused("folder_ids", "must be a list of integers")
        if len(ids) > self._portal.max_folders:
            raise _Refused("folder_ids", f"size must be between 0 and {self._portal.max_folders}")
        return ids


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, ValueError) as error:
        raise _Refused("body", f"is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise _Refused("body", "must be an object")
    return body


def _cursor(body: dict[str, Any]) -> str | None:
    return None if body.get("cursor") is None else _text(body, "cursor")


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise _Refused(name, "must be a string")
    return value


def _count(body: dict[str, Any], name: str, default: int) -> int:
    """Read a number; the Portal takes it as text too."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if type(value) is not int or value < 0:
        raise _Refused(name, "must be a number, not negative")
    return value
