"""A way to an object store on which answers get lost: requests go through, are cut off, or come late.

It runs as a process of its own: the Delta library keeps Python from running while it waits in some calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import urllib.request
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from aiohttp import ClientSession, DummyCookieJar, web

if TYPE_CHECKING:
    from collections.abc import Iterator

How = Literal["403", "500", "503", "hang up", "late", "refuse"]
CONTROL = "/-/troubles"
CHANGING = ("PUT", "POST", "DELETE")
_HOP = {"transfer-encoding", "content-length", "connection", "date", "server", "keep-alive"}


@dataclass
class Trouble:
    """What happens to some requests.

    Attributes:
        path: a regular expression found in the request's path.
        how: ``403``, ``500``, ``503``, ``hang up``: the store carries the request out; this is the answer;
            ``late``: the connection is cut, and the request carried out ``delay_s`` later; ``refuse``: it is
            never carried out, and answered with 500.
        method: of the requests, a regular expression.
        skip: how many of them pass before.
        times: how many of them.
        delay_s: see above.
        then: whether it waits until the first trouble of the list has happened.
        met: how many requests it was the turn of, those that passed included.
        happened: how often it came to that.
    """

    path: str
    how: str
    method: str = "PUT"
    skip: int = 0
    times: int = 1
    delay_s: float = 1.0
    then: bool = False
    met: int = 0
    happened: int = 0


class Proxy:
    """The handle of a proxy in another process.

    Attributes:
        url: where to send requests.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def make(self, *troubles: Trouble) -> None:
        """From now on these happen, and no others."""
        body = json.dumps([asdict(trouble) for trouble in troubles]).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + CONTROL, body, method="PUT")):
            pass

    def happened(self) -> list[int]:
        """How often each of them did."""
        with urllib.request.urlopen(self.url + CONTROL) as answer:
            return [trouble["happened"] for trouble in json.load(answer)["troubles"]]

    def changes(self) -> list[str]:
        """What was asked for since the last :meth:`make` that changes something: method and path."""
        with urllib.request.urlopen(self.url + CONTROL) as answer:
            return [str(change) for change in json.load(answer)["changes"]]


@contextlib.contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy before an object store."""
    process = subprocess.Popen([sys.executable, __file__, upstream], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Proxy(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class _Server:
    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._troubles: list[Trouble] = []
        self._changes: list[str] = []
        self._later: set[asyncio.Task[web.Response]] = set()

    async def get(self, _: web.Request) -> web.Response:
        troubles = [asdict(trouble) for trouble in self._troubles]
        return web.json_response({"troubles": troubles, "changes": self._changes})

    async def put(self, request: web.Request) -> web.Response:
        self._troubles = [Trouble(**trouble) for trouble in await request.json()]
        self._changes.clear()
        return web.Response()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.method in CHANGING:
            self._changes.append(f"{request.method} {request.path}")
        trouble = self._trouble(request)
        if trouble is None:
            return await self._forward(request, body)
        if trouble.how == "late":
            task = asyncio.create_task(self._forward(request, body, trouble.delay_s))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        elif trouble.how != "refuse":
            await self._forward(request, body)
        if trouble.how in {"late", "hang up"}:
            assert request.transport is not None
            request.transport.abort()
        status = int(trouble.how) if trouble.how.isdecimal() else 500
        code = "AccessDenied" if status == 403 else "InternalError"
        return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>")

    def _trouble(self, request: web.Request) -> Trouble | None:
        for trouble in self._troubles:
            if (
                trouble.happened < trouble.times
                and (not trouble.then or self._troubles[0].happened)
                and re.fullmatch(trouble.method, request.method)
                and re.search(trouble.path, request.raw_path)
            ):
                trouble.met += 1
                if trouble.met > trouble.skip:
                    trouble.happened += 1
                    return trouble
        return None

    async def _forward(self, request: web.Request, body: bytes, delay_s: float = 0.0) -> web.Response:
        await asyncio.sleep(delay_s)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with (
            ClientSession(auto_decompress=False, cookie_jar=DummyCookieJar()) as session,
            session.request(
                request.method, self._upstream + request.raw_path, data=body or None, headers=headers
            ) as answer,
        ):
            content = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            if request.method == "HEAD" and "Content-Length" in answer.headers:
                kept["Content-Length"] = answer.headers["Content-Length"]
            return web.Response(status=answer.status, body=content, headers=kept)


async def _serve(upstream: str) -> None:
    server = _Server(upstream)
    app = web.Application(client_max_size=2**28)
    app.router.add_get(CONTROL, server.get)
    app.router.add_put(CONTROL, server.put)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
