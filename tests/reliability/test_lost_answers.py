"""An object store does what it was asked, and the answer is lost on the way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import boto3
import pytest
from aiohttp import web

from tests.reliability.world import SEED, Runner, committed, content, findings, scaled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRIALS: Final = scaled(6)
LOSSES: Final = ("500", "503", "hang up")
CHANGES: Final = frozenset({"PUT", "POST", "DELETE"})


@dataclass
class Proxy:
    """Hands requests on to an object store, and loses the answer to one of those that change something.

    Attributes:
        store: URL of the object store.
        lose: the number, from 1, of the change whose answer is lost; 0 loses none.
        how: what comes in its place: ``500``, ``503``, or ``hang up``.
        table: counts only changes below this path.
    """

    store: str
    lose: int = 0
    how: str = "500"
    url: str = ""
    changes: list[str] = field(default_factory=list)

    def aim(self, number: int, how: str) -> None:
        self.lose, self.how = number, how
        self.changes.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        hop = {"transfer-encoding", "content-length", "connection", "host"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in hop}
        headers["Host"] = request.headers["Host"]  # it is signed
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, f"{self.store}{request.raw_path}", data=body or None, headers=headers
            ) as answer,
        ):
            content = await answer.read()
        lost = False
        if request.method in CHANGES and answer.status < 300:
            self.changes.append(f"{request.method} {request.path}")
            lost = len(self.changes) == self.lose
        if lost and self.how == "hang up":
            assert request.transport is not None
            request.transport.abort()
        if lost:
            return web.Response(status=500 if self.how == "500" else 503)
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() not in {"transfer-encoding", "content-length", "connection", "date", "server"}
        }
        if request.method == "HEAD" and "Content-Length" in answer.headers:
            kept["Content-Length"] = answer.headers["Content-Length"]
        return web.Response(status=answer.status, body=content, headers=kept)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """An S3 API with a bucket ``insights``, behind a proxy; this process's environment names it."""
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as output:
        moto = subprocess.Popen(
            [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": ""},
        )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxy = Proxy(_announced(log, moto))
    app = web.Application(client_max_size=2**28)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    web_runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def serve() -> None:
        await web_runner.setup()
        await web.TCPSite(web_runner, "127.0.0.1", 0).start()

    asyncio.run_coroutine_threadsafe(serve(), loop).result(30)
    proxy.url = f"http://127.0.0.1:{web_runner.addresses[0][1]}"
    settings = {
        # This process goes straight there: what holds the interpreter's lock would wait for its own proxy.
        "AWS_ENDPOINT_URL": proxy.store,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=proxy.store, region_name="us-east-1")
        client.create_bucket(Bucket="insights")
        client.close()
        yield proxy
    asyncio.run_coroutine_threadsafe(web_runner.cleanup(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    moto.terminate()
    moto.wait()


def _announced(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The URL that the server says it listens at."""
    for _ in range(600):
        words = log.read_text(errors="replace").split()
        for word in words:
            if word.startswith("http://127.0.0.1:"):
                return word
        assert process.poll() is None, words
        time.sleep(0.1)
    raise AssertionError("the object store did not start")


@pytest.mark.timeout(1800 + scaled(1800))
def test_no_lost_answer_costs_an_event(
    runner: Runner, proxy: Proxy, expected: dict[str, list[tuple[Any, ...]]]
) -> None:
    """Whatever was stored counts, or counts for nothing, but never half: in every table."""
    here = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    settings = {**here, "AWS_ENDPOINT_URL": proxy.url}
    proxy.aim(0, "")
    quiet = runner.collect("s3://insights/quiet", settings=settings)
    assert quiet.code == 0, quiet.said
    assert content("s3://insights/quiet") == expected
    changes = list(proxy.changes)
    lots = Random(SEED)
    logged = [number for number, what in enumerate(changes, 1) if "/_delta_log/" in what]
    wrong = []
    for trial in range(TRIALS):
        # Every other one is of the log, whose answers decide.
        number = lots.choice(logged) if trial % 2 == 0 else lots.randint(1, len(changes))
        how = LOSSES[trial % len(LOSSES)]
        if found := list(
            _trial(runner, proxy, f"s3://insights/lake-{trial}", number, how, settings, expected)
        ):
            wrong.append(f"{how} after {changes[number - 1]}: {'; '.join(found)}")
            print(wrong[-1])  # in case the whole is cut short
    assert not wrong, "\n".join(wrong)


def _trial(
    runner: Runner,
    proxy: Proxy,
    data: str,
    number: int,
    how: str,
    settings: dict[str, str],
    expected: dict[str, list[tuple[Any, ...]]],
) -> Iterator[str]:
    proxy.aim(number, how)
    ended = runner.collect(data, settings=settings)
    proxy.aim(0, "")
    if not ended.was_clear():
        yield f"it ended with {ended.last}"
    before = committed(data)
    again = runner.collect(data, settings=settings)
    if again.code:
        yield f"the next run ended with {again.last} (the first with {ended.last})"
        return
    if lost := before - committed(data):
        yield f"{len(lost)} committed events are gone"
    found = content(data)
    for view, rows in expected.items():
        if found[view] != rows:
            yield f"{view} differs: {len(found[view])} rows, {len(rows)} expected"
    yield from findings(data)
