"""Connections that fail, stall or break, time limits, retries, and proxies."""

import asyncio
import base64
import socket
import time

import pytest
from aiohttp import web

from ctera_insights.errors import (
    LoginRefused,
    PortalBusy,
    PortalRefused,
    PortalTimeout,
    PortalUnreachable,
    UnreadableAnswer,
)
from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy, Timeouts
from ctera_insights.simulator import SimulatedPortal

QUICK = RetryPolicy(attempts=60, base_s=0.001, cap_s=0.02, retry_after_cap_s=0.01)
ONCE = RetryPolicy(attempts=1)


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        *[("status", {"code": code}) for code in (408, 425, 429, 500, 502, 503, 504, 507)],
        ("status", {"code": 503, "retry_after": "date+1"}),
        ("reset", {}),
        ("close", {}),
        ("cut", {}),
        ("html", {}),
        ("empty", {}),
    ],
)
@pytest.mark.parametrize("endpoint", ["list", "longpoll", "ancestors"])
async def test_what_passes_costs_time_only(fault, options, endpoint, portal, admin):
    """Three failures of any passing kind, then the answer."""
    page = await admin.notifications.get()
    portal.faults.add(fault, on=(endpoint,), limit=3, **options)
    match endpoint:
        case "list":
            assert len(await admin.notifications.get()) == 7
        case "longpoll":
            assert not await admin.notifications.changes(page.cursor, timeout=10)
        case "ancestors":
            assert await admin.notifications.ancestors(page.entries[1])
    assert portal.faults.fired[fault] == 3


@pytest.mark.parametrize(
    ("fault", "options", "error"),
    [
        ("status", {"code": 503, "retry_after": "none"}, PortalBusy),
        ("reset", {}, PortalUnreachable),
        ("close", {}, PortalUnreachable),
        ("cut", {}, PortalUnreachable),
        ("empty", {}, UnreadableAnswer),
    ],
)
async def test_the_error_is_told_when_the_attempts_are_used_up(fault, options, error, portal):
    """What keeps failing ends in an error that names the request."""
    async with AsyncGlobalAdmin(portal.url, retries=RetryPolicy(attempts=3, base_s=0)) as client:
        await client.login(portal.user, portal.password)
        portal.faults.add(fault, on=("list",), **options)
        with pytest.raises(error, match="/admin/v2/api/metadata/list") as caught:
            await client.notifications.get()
        assert type(caught.value) is error
        assert portal.faults.fired[fault] == 3


@pytest.mark.parametrize("code", [403, 405, 409, 413])
async def test_what_stays_is_not_tried_again(code, portal, admin):
    """A refusal is told at once, with status and the Portal's words."""
    portal.faults.add("status", code=code, on=("list",))
    with pytest.raises(PortalRefused, match=f"Simulated fault: HTTP {code}") as caught:
        await admin.notifications.get()
    assert caught.value.status == code
    assert portal.requests["list"] == 1


async def test_progress_can_be_shown_while_waiting(portal):
    """The hook gets every passing error with the wait that follows, here the one asked for."""
    told = []
    async with AsyncGlobalAdmin(
        portal.url,
        retries=RetryPolicy(base_s=0, cap_s=0, retry_after_cap_s=0.05),
        on_retry=lambda error, wait_s: told.append((type(error), wait_s)),
    ) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add("status", code=429, retry_after="60", on=("list",), limit=2)
        await admin.notifications.get()
    assert told == [(PortalBusy, 0.05)] * 2


async def test_nobody_listens():
    """A refused connection is told as such."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with AsyncGlobalAdmin("127.0.0.1", port, https=False, retries=ONCE) as admin:
            with pytest.raises(PortalUnreachable, match=f"127.0.0.1:{port}"):
                await admin.login("jo", "secret")


async def test_something_else_listens():
    """A server that does not speak HTTP is told apart."""

    async def ssh(reader, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(ssh, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with AsyncGlobalAdmin("127.0.0.1", port, https=False, retries=ONCE) as admin:
            with pytest.raises(UnreadableAnswer, match="not HTTP"):
                await admin.login("jo", "secret")


@pytest.mark.parametrize("fault", ["stall", "black-hole"])
async def test_a_silent_portal_is_given_up(fault, portal):
    """No byte for ``read_s`` seconds, before or in the body, is a timeout; then it is tried again."""
    async with AsyncGlobalAdmin(portal.url, retries=QUICK, timeouts=Timeouts(read_s=0.2)) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add(fault, on=("list",), limit=1)
        assert len(await admin.notifications.get()) == 7
        assert portal.requests["list"] == 2
    async with AsyncGlobalAdmin(portal.url, retries=ONCE, timeouts=Timeouts(read_s=0.2)) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add(fault, on=("list",))
        with pytest.raises(PortalTimeout):
            await admin.notifications.get()


async def test_a_half_open_connection_is_noticed(portal):
    """A long-poll that nobody answers is given up after its time plus the margin."""
    timeouts = Timeouts(longpoll_s=0.2, longpoll_margin_s=0.3, read_s=300)
    async with AsyncGlobalAdmin(portal.url, retries=ONCE, timeouts=timeouts) as admin:
        await admin.login(portal.user, portal.password)
        cursor = (await admin.notifications.get()).cursor
        portal.faults.add("black-hole", on=("longpoll",))
        begun = time.monotonic()
        with pytest.raises(PortalTimeout):
            await admin.notifications.changes(cursor)
        assert time.monotonic() - begun >= 0.5


async def test_a_connection_that_is_never_accepted_is_given_up():
    """A host that does not answer the handshake costs ``connect_s`` seconds."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        try:
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            async with AsyncGlobalAdmin(
                url, retries=ONCE, timeouts=Timeouts(connect_s=0.2, read_s=0.2)
            ) as admin:
                with pytest.raises(PortalTimeout):
                    await admin.login("jo", "secret")
        finally:
            for filler in fillers:
                filler.close()


async def test_the_user_agent_is_ours_or_the_callers(served):
    """A Portal's log shows who asks."""
    seen = []

    async def handler(request):
        seen.append(request.headers["User-Agent"])
        return web.Response(status=403)

    async with served(handler) as url:
        for options in ({}, {"user_agent": "inventory/7"}):
            async with AsyncGlobalAdmin(url, **options) as admin:
                with pytest.raises(LoginRefused):
                    await admin.login("jo", "secret")
    assert seen[0].startswith("ctera-insights/")
    assert seen[1] == "inventory/7"


async def test_passwords_of_netrc_stay_where_they_are(served, tmp_path, monkeypatch):
    """A password that another program keeps for the same host is not sent."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login jo password hunter2", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    async def handler(request):
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=403)

    async with served(handler) as url, AsyncGlobalAdmin(url) as admin:
        with pytest.raises(LoginRefused):
            await admin.login("jo", "secret")
    assert seen == [None]


class Proxy:
    """A small HTTP proxy: absolute-form requests and CONNECT, with or without a password."""

    def __init__(self, password=None):
        self.password = password
        self.asked = []
        self.url = ""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            self.asked.append((method, target))
            expected = base64.b64encode(f"jo:{self.password}".encode()).decode()
            if self.password and f"Basic {expected}" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            place = target.removeprefix("http://").partition("/")[0]
            host, _, port = place.rpartition(":")
            upstream_reader, upstream = await asyncio.open_connection(host, int(port))
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = "/" + target.removeprefix("http://").partition("/")[2]
                upstream.write(head.replace(target, path, 1).encode())
            await asyncio.gather(self._pump(reader, upstream), self._pump(upstream_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def _pump(reader, writer):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()


async def _through(monkeypatch, portal, proxy_url, **options):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy_url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    async with AsyncGlobalAdmin(portal.url, retries=ONCE, **options) as admin:
        await admin.login(portal.user, portal.password)
        return len(await admin.notifications.get())


@pytest.mark.parametrize("https", [False, True])
async def test_goes_through_the_proxy_of_the_environment(https, world, monkeypatch):
    """HTTP_PROXY and HTTPS_PROXY are used, with their credentials."""
    async with SimulatedPortal(world, https=https) as portal, Proxy("hunter2") as proxy:
        url = f"http://jo:hunter2@{proxy.url}"
        assert await _through(monkeypatch, portal, url, ca_file=portal.ca_file) == 7
        assert proxy.asked[0][0] == ("CONNECT" if https else "POST")
        with pytest.raises(PortalRefused, match="proxy") as caught:
            await _through(monkeypatch, portal, f"http://jo:wrong@{proxy.url}", ca_file=portal.ca_file)
        assert "wrong" not in str(caught.value)
        proxied = len(proxy.asked)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with AsyncGlobalAdmin(portal.url, ca_file=portal.ca_file) as admin:
            await admin.login(portal.user, portal.password)
        assert len(proxy.asked) == proxied


async def test_a_dead_proxy_is_named(portal, monkeypatch):
    """An unreachable proxy is not taken for an unreachable Portal."""
    async with Proxy() as proxy:
        url = f"http://{proxy.url}"
    with pytest.raises(PortalUnreachable, match="proxy"):
        await _through(monkeypatch, portal, url)
