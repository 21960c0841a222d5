"""Carries out the faults of transport: what a client meets in the place of a proper answer."""

from __future__ import annotations

import asyncio
import socket
import struct
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from ctera_insights.simulator import gateways, v2
from ctera_insights.simulator.gate import endpoint_of
from ctera_insights.simulator.gateways import Scene
from ctera_insights.simulator.v1 import LOGIN_PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Handler, Middleware

    from ctera_insights.simulator.server import SimulatedPortal

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


def middleware(portal: SimulatedPortal) -> Middleware:
    """Make the middleware that lets a Portal's faults happen."""

    @web.middleware
    async def misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not portal.faults.active:
            return await handler(request)
        endpoint = endpoint_of(request)
        null_cursor = await _has_null_cursor(request, endpoint)
        for fault in portal.faults.draw(endpoint, null_cursor=null_cursor):
            scene = Scene(portal, fault, request, handler)
            if fault.kind in _ANSWERS:
                return await _ANSWERS[fault.kind](scene)
            await _BESIDE[fault.kind](scene)
        return await handler(request)

    return misbehave


async def _has_null_cursor(request: web.Request, endpoint: str) -> bool:
    if endpoint not in {"list", "longpoll"}:
        return False
    try:
        body = msgspec.json.decode(await request.read())
    except msgspec.DecodeError:
        return False
    return isinstance(body, dict) and not body.get("cursor")


async def _wait(scene: Scene) -> None:
    await asyncio.sleep(scene.fault.seconds or 0)


async def _kill_session(scene: Scene) -> None:
    scene.portal.sessions.kill()


async def _restart(scene: Scene) -> None:
    scene.portal.restart_soon()


async def _status(scene: Scene) -> web.StreamResponse:
    code = scene.fault.code
    answer = v2.refuse(code, f"Simulated fault: HTTP {code}")
    wait = scene.fault.retry_after or ("1" if code in {429, 503} else "none")
    if wait.startswith("date+"):
        moment = datetime.now(UTC) + timedelta(seconds=float(wait.removeprefix("date+")))
        answer.headers["Retry-After"] = format_datetime(moment, usegmt=True)
    elif wait != "none":
        answer.headers["Retry-After"] = wait
    return answer


async def _reset(scene: Scene) -> web.StreamResponse:
    transport = scene.request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()


async def _close(scene: Scene) -> web.StreamResponse:
    _hang_up(scene.request)
    return web.Response()


async def _cut(scene: Scene) -> web.StreamResponse:
    answer, _ = await _send_half(scene)
    _hang_up(scene.request)
    return answer


async def _stall(scene: Scene) -> web.StreamResponse:
    answer, rest = await _send_half(scene)
    await _wait(scene)
    await answer.write(rest)
    await answer.write_eof()
    return answer


async def _black_hole(scene: Scene) -> web.StreamResponse:
    await _wait(scene)
    return await _close(scene)


async def _redirect(scene: Scene) -> web.StreamResponse:
    root = scene.portal.url
    pages = {
        "admin": "/admin/login.html",
        "services": "/ServicesPortal/login.html",
        "admin-absolute": f"{root}/admin/login.html",
        "services-absolute": f"{root}/ServicesPortal/login.html",
    }
    own = "services" if scene.request.path.startswith("/ServicesPortal") else "admin"
    target = scene.fault.to or "own"
    if target == "each":
        target = list(pages)[scene.portal.faults.fired["redirect"] % len(pages)]
    pages |= {"own": pages[own], "microsoft": "https://login.microsoftonline.com/common/saml2"}
    answer = web.Response(status=scene.fault.code, text=f"{scene.fault.code}: login page")
    if target != "nowhere":
        answer.headers["Location"] = pages[target]
    return answer


async def _html(_: Scene) -> web.StreamResponse:
    return web.Response(text=LOGIN_PAGE, content_type="text/html")


async def _empty(_: Scene) -> web.StreamResponse:
    return web.Response()


async def _early(scene: Scene) -> web.StreamResponse:
    return web.json_response({"changes": scene.fault.to != "false"})


async def _cursor(_: Scene) -> web.StreamResponse:
    return v2.refuse(400, "The cursor has expired", field="cursor")


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


async def _send_half(scene: Scene) -> tuple[web.StreamResponse, bytes]:
    """Send an answer's head and half of its body; give the other half."""
    whole = await scene.handler(scene.request)
    body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b""
    middle = len(body) // 2
    answer = web.StreamResponse(status=whole.status, headers=whole.headers)
    answer.content_length = len(body)
    await answer.prepare(scene.request)
    await answer.write(body[:middle])
    return answer, body[middle:]


_BESIDE: Final[dict[str, Callable[[Scene], Awaitable[None]]]] = {
    "slow": _wait,
    "slow-first": _wait,
    "kill-session": _kill_session,
    "restart": _restart,
}
_ANSWERS: Final[dict[str, Callable[[Scene], Awaitable[web.StreamResponse]]]] = {
    "status": _status,
    "reset": _reset,
    "close": _close,
    "cut": _cut,
    "stall": _stall,
    "black-hole": _black_hole,
    "redirect": _redirect,
    "html": _html,
    "empty": _empty,
    "early": _early,
    "cursor": _cursor,
    "gateway": gateways.gateway,
    "echo": gateways.echo,
    "drip": gateways.drip,
    "huge": gateways.huge,
    "long-header": gateways.long_header,
}
