"""Carries out the faults of what stands in front of a Portal: its own pages, and what it does to answers."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from ctera_insights.simulator import v2

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from ctera_insights.simulator.faults import Fault
    from ctera_insights.simulator.server import SimulatedPortal

_PIECE: Final = 1 << 20
_PAGES: Final = ("nginx", "empty", "json", "text", "maintenance")
_HTML: Final = (
    "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A request, and what shall go wrong with it."""

    portal: SimulatedPortal
    fault: Fault
    request: web.Request
    handler: Handler


async def gateway(scene: Scene) -> web.StreamResponse:
    """An error page that is not the Portal's."""
    code, page = scene.fault.code, scene.fault.to or "nginx"
    if page == "each":
        page = _PAGES[scene.portal.faults.fired["gateway"] % len(_PAGES)]
    match page:
        case "nginx":
            reason = web.Response(status=code).reason
            return web.Response(
                status=code, text=_HTML.format(status=f"{code} {reason}"), content_type="text/html"
            )
        case "json":
            body = {"message": "no Route matched with those values", "request_id": "5f3b"}
            return web.json_response(body, status=code)
        case "text":
            return web.Response(status=code, text=f"{code} page not found\n")
        case "maintenance":
            return web.Response(status=302, headers={"Location": "/maintenance.html"})
    return web.Response(status=code)


async def echo(scene: Scene) -> web.StreamResponse:
    """An error that repeats what it was asked, as debug pages do."""
    request = scene.request
    headers = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
    body = (await request.read()).decode("utf-8", "replace")
    return v2.refuse(scene.fault.code, f"{request.method} {request.path} failed [{body}] [{headers}]")


async def drip(scene: Scene) -> web.StreamResponse:
    """The answer, hardly."""
    body, answer = await _begun(scene)
    for at in range(len(body)):
        await answer.write(body[at : at + 1])
        await asyncio.sleep(scene.fault.seconds or 0)
    await answer.write_eof()
    return answer


async def huge(scene: Scene) -> web.StreamResponse:
    """The answer, and white space without end."""
    encoding = (scene.fault.to or "plain").replace("plain", "")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15) if encoding else None
    body, answer = await _begun(scene, encoding)
    left = scene.fault.size - len(body)
    await answer.write(packer.compress(body) if packer else body)
    blank = b" " * _PIECE
    while left > 0:
        piece = blank[:left]
        left -= len(piece)
        if packed := packer.compress(piece) if packer else piece:
            await answer.write(packed)
        await asyncio.sleep(0)
    if packer:
        await answer.write(packer.flush())
    await answer.write_eof()
    return answer


async def long_header(scene: Scene) -> web.StreamResponse:
    """The answer, with a policy that grew over the years."""
    answer = await scene.handler(scene.request)
    answer.headers["Content-Security-Policy"] = "x" * scene.fault.size
    return answer


async def _begun(scene: Scene, encoding: str = "") -> tuple[bytes, web.StreamResponse]:
    """The body of the proper answer, and a stream to send it by."""
    whole = await scene.handler(scene.request)
    body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b""
    answer = web.StreamResponse(status=whole.status, headers=whole.headers)
    answer.headers.popall("Content-Length", None)
    if encoding:
        answer.headers["Content-Encoding"] = encoding
    answer.enable_chunked_encoding()
    await answer.prepare(scene.request)
    return body, answer
