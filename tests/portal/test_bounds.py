"""What a Portal, or something on the way, may send at most: how much, how slowly, in how long a header."""

import asyncio
import gzip
import logging
import subprocess
import sys
import time
import zlib

import pytest
from aiohttp import web

from ctera_insights.errors import (
    AnswerTooLarge,
    PortalError,
    PortalStatusError,
    PortalTimeout,
    PortalUnreachable,
    UnreadableAnswer,
    UsageError,
)
from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy, Timeouts, reading
from ctera_insights.simulator import SimulatedPortal

ONCE = RetryPolicy(attempts=1)
MIB = 2**20


@pytest.fixture
async def client(portal):
    """Is logged in, and reads pages of up to 100 kB."""
    told = []
    async with AsyncGlobalAdmin(
        portal.url,
        retries=RetryPolicy(attempts=3, base_s=0.001),
        page_limit_bytes=100_000,
        on_retry=lambda error, _: told.append(str(error)),
    ) as admin:
        await admin.login(portal.user, portal.password)
        admin.told = told
        yield admin


@pytest.mark.parametrize("to", ["plain", "gzip", "deflate"])
async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones_then_refused(to, portal, client):
    """Down to one entry; the error says what, how large, and what to do."""
    portal.faults.add("huge", on=("list",), to=to, size=10 * MIB)
    with pytest.raises(AnswerTooLarge, match=r"metadata/list.*100,000 bytes.*CTERA_INSIGHTS_PAGE_LIMIT_MIB"):
        await client.notifications.get(max_results=8)
    assert portal.requests["list"] == 4
    assert [text.partition(" Asking for ")[2] for text in client.told] == [
        "4 entries instead of 8.",
        "2 entries instead of 4.",
        "1 entries instead of 2.",
    ]


async def test_large_entries_arrive_in_smaller_pages(portal, client):
    """Every state comes, once; and when the pages are small again, they grow again."""
    portal.faults.add("fat", size=30_000)
    names, cursor, more = [], None, True
    while more:
        page = await client.notifications.get(cursor=cursor)
        assert len(page) <= 3
        names += [event.name for event in page]
        cursor, more = page.cursor, page.has_more
    assert len(names) == len(set(names)) == 7
    portal.faults.clear()
    for _ in range(15):
        page = await client.notifications.get()
    assert len(page) == 7


async def test_a_page_within_the_limit_is_read_whole(portal):
    """However large it is on the way."""
    for to in ("plain", "gzip", "deflate"):
        portal.faults.clear()
        portal.faults.add("huge", on=("list",), to=to, size=5 * MIB)
        async with AsyncGlobalAdmin(portal.url, retries=ONCE) as admin:
            await admin.login(portal.user, portal.password)
            assert len(await admin.notifications.get()) == 7


@pytest.mark.parametrize("endpoint", ["login", "session", "version", "longpoll", "ancestors", "users"])
@pytest.mark.parametrize("to", ["plain", "gzip"])
async def test_every_other_answer_is_bounded_too(endpoint, to, portal):
    """A few MiB are more than any of them has."""
    portal.faults.add("huge", on=(endpoint,), to=to, size=200 * MIB)
    async with AsyncGlobalAdmin(portal.url, retries=ONCE) as admin:
        with pytest.raises(AnswerTooLarge, match="8 MiB"):
            await _everything(admin, portal)


async def _everything(admin, portal):
    await admin.login(portal.user, portal.password)
    page = await admin.notifications.get()
    await admin.notifications.changes(page.cursor, timeout=10)
    await admin.notifications.ancestors(page.entries[1])
    from ctera_insights.portal import CloudFolder

    await admin.notifications.get([CloudFolder("Projects", "svc")])


async def test_of_an_error_page_the_beginning_is_read(served):
    """One of gigabytes costs no memory, and its status counts."""

    async def handler(request):
        answer = web.StreamResponse(status=503)
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for _ in range(1000):
            await answer.write(b"no " * 100_000)
        return answer

    async with served(handler) as url, AsyncGlobalAdmin(url, retries=ONCE) as admin:
        with pytest.raises(PortalError, match=r"503 Service Unavailable.*no no no") as caught:
            await admin.login("jo", "secret")
    assert len(str(caught.value)) < 1000


BOMB = """
import asyncio, resource, sys
from ctera_insights.errors import AnswerTooLarge
from ctera_insights.portal import AsyncGlobalAdmin

async def main():
    async with AsyncGlobalAdmin(sys.argv[1]) as admin:
        await admin.login("admin", sys.argv[2])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            await admin.notifications.get(max_results=1)
        except AnswerTooLarge as error:
            print(error)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main())
"""


@pytest.mark.parametrize("to", ["plain", "gzip", "deflate"])
async def test_a_bomb_costs_no_more_memory_than_the_limit(to, portal, monkeypatch):
    """Bytes are counted as they unpack: 2 GiB of blanks in 2 MB."""
    monkeypatch.setenv("CTERA_INSIGHTS_PAGE_LIMIT_MIB", "32")
    portal.faults.add("huge", on=("list",), to=to, size=2**31)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BOMB, portal.url, portal.password, stdout=subprocess.PIPE
    )
    told, _ = await process.communicate()
    text, grown_kib = told.decode().strip().splitlines()
    assert "32 MiB" in text
    assert int(grown_kib) < 50 * 1024


async def test_the_limit_of_a_page_is_a_setting_that_must_make_sense(portal, monkeypatch):
    """An argument, or an environment variable in MiB."""
    for nonsense in ("0", "-1", "many", "1.5", "9" * 5000, "٣"):
        monkeypatch.setenv("CTERA_INSIGHTS_PAGE_LIMIT_MIB", nonsense)
        with pytest.raises(UsageError, match="CTERA_INSIGHTS_PAGE_LIMIT_MIB"):
            await AsyncGlobalAdmin(portal.url).login(portal.user, portal.password)
    with pytest.raises(UsageError, match="page_limit_bytes"):
        AsyncGlobalAdmin(portal.url, page_limit_bytes=0)


@pytest.fixture
def hasty(monkeypatch):
    """What takes 15 s is said after a tenth."""
    monkeypatch.setattr(reading, "SAY_EVERY_S", 0.1)


@pytest.mark.usefixtures("hasty")
async def test_an_answer_that_comes_byte_by_byte_is_told_and_given_up(portal, caplog):
    """Each byte comes in time, and yet there is an end; until then it is told how it stands."""
    told = []
    async with AsyncGlobalAdmin(
        portal.url,
        retries=ONCE,
        timeouts=Timeouts(read_s=1),
        on_retry=lambda error, wait_s: told.append((error, wait_s)),
    ) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add("drip", on=("list",), seconds=0.05)
        begun = time.monotonic()
        with pytest.raises(PortalTimeout, match=r"comes too slowly: [\d,]+ bytes in \d+ s.*overloaded"):
            await admin.notifications.get()
        assert time.monotonic() - begun < 10
    assert len(told) >= 3
    assert all("Still reading the answer to POST" in str(error) and 0 < wait_s <= 1 for error, wait_s in told)
    assert "Still reading" in caplog.text


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("endpoint", ["login", "session", "longpoll", "ancestors"])
async def test_no_answer_can_drip_for_ever(endpoint, portal):
    """The same for every other answer, also for one that was asked to be held."""
    timeouts = Timeouts(connect_s=0.5, read_s=0.5, longpoll_s=0.2, longpoll_margin_s=0.5)
    async with AsyncGlobalAdmin(portal.url, retries=ONCE, timeouts=timeouts) as admin:
        portal.faults.add("drip", on=(endpoint,), seconds=0.4)
        with pytest.raises(PortalTimeout):
            async with asyncio.timeout(20):
                await _everything(admin, portal)


@pytest.mark.usefixtures("hasty")
async def test_a_head_that_comes_byte_by_byte_is_given_up(caplog):
    """Before there is an answer at all, too."""

    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        try:
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Header: something\r\n" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        timeouts = Timeouts(connect_s=0.2, read_s=0.3)
        async with AsyncGlobalAdmin(url, retries=ONCE, timeouts=timeouts) as admin:
            with pytest.raises(PortalTimeout, match="No answer"):
                await admin.login("jo", "secret")
    assert "Still waiting for the answer" in caplog.text


@pytest.mark.usefixtures("hasty")
async def test_a_slow_answer_with_a_decent_rate_is_waited_for(served, caplog):
    """Slow is told, but not given up."""

    async def handler(request):
        if not request.path.endswith("list"):
            text = "<obj></obj>" if request.path.endswith("currentSession") else "<val></val>"
            return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=1"})
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b'{"has_more":false,"cursor":"c","entries":[]')
        for _ in range(20):
            await answer.write(b" " * 100)
            await asyncio.sleep(0.05)
        await answer.write(b"}")
        return answer

    async with served(handler) as url, AsyncGlobalAdmin(url, timeouts=Timeouts(read_s=0.3)) as admin:
        await admin.login("jo", "secret")
        assert (await admin.notifications.get()).cursor == "c"
    assert "Still reading" in caplog.text


async def test_a_long_poll_is_not_called_slow(portal, monkeypatch, caplog):
    """It is meant to wait."""
    monkeypatch.setattr(reading, "SAY_EVERY_S", 0.05)
    caplog.set_level(logging.WARNING)
    async with AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        cursor = (await admin.notifications.get()).cursor
        assert not await admin.notifications.changes(cursor, timeout=400)
    assert not caplog.records


@pytest.mark.parametrize("size", [8_190, 10_000, 100_000, 250_000])
async def test_long_headers_are_read(size, world):
    """Gateways add policies of tens of kilobytes."""
    async with (
        SimulatedPortal(world, faults=f"long-header:size={size}:on=all") as portal,
        AsyncGlobalAdmin(portal.url, retries=ONCE) as admin,
    ):
        await admin.login(portal.user, portal.password)
        assert len(await admin.notifications.get()) == 7


async def test_a_header_without_end_is_refused(world):
    """It does not fill the memory."""
    async with (
        SimulatedPortal(world, faults="long-header:size=5000000:on=all") as portal,
        AsyncGlobalAdmin(portal.url, retries=ONCE) as admin,
    ):
        with pytest.raises(UnreadableAnswer, match="header"):
            await admin.login(portal.user, portal.password)


PAGE = b'{"has_more":false,"cursor":"c","entries":[]}' + b" " * 300_000
_bare = zlib.compressobj(wbits=-15)
PACKED = {
    "gzip": gzip.compress(PAGE),
    "x-gzip": gzip.compress(PAGE),
    "GZIP": gzip.compress(PAGE) + b"\0" * 512,
    "gzip, identity": gzip.compress(PAGE[:20]) + gzip.compress(b"") + gzip.compress(PAGE[20:]),
    "deflate": zlib.compress(PAGE),
    "identity, deflate": _bare.compress(PAGE) + _bare.flush(),
    "": PAGE,
}


@pytest.fixture
def packed(served):
    """Serves a page with an encoding, in pieces of so many bytes."""

    def serve(encoding, body, piece=1 << 16, status=200):
        async def handler(request):
            if not request.path.endswith("list"):
                text = "<obj></obj>" if request.path.endswith("currentSession") else "<val></val>"
                return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=1"})
            answer = web.StreamResponse(
                status=status, headers={"Content-Encoding": encoding} if encoding else {}
            )
            await answer.prepare(request)
            for at in range(0, len(body), piece):
                await answer.write(body[at : at + piece])
                await asyncio.sleep(0)
            return answer

        return served(handler)

    return serve


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("piece", [7, 1 << 16])
async def test_packed_answers_are_unpacked(encoding, piece, packed):
    """Members, padding, bare deflate, names in any case, in any pieces."""
    body = PACKED[encoding] if piece > 100 or encoding else PACKED[encoding][:5000]
    if not encoding and piece < 100:
        body = PAGE[:100]
    async with packed(encoding, body, piece) as url, AsyncGlobalAdmin(url, retries=ONCE) as admin:
        await admin.login("jo", "secret")
        assert (await admin.notifications.list_raw(None, [])).body == (
            PAGE if encoding or piece > 100 else body
        )


@pytest.mark.parametrize(
    ("encoding", "body", "error", "text"),
    [
        ("gzip", gzip.compress(PAGE)[:-9], PortalUnreachable, "cut off"),
        ("deflate", zlib.compress(PAGE)[:-5], PortalUnreachable, "cut off"),
        ("gzip", PAGE, UnreadableAnswer, "is no gzip"),
        ("deflate", b"\x78\x9c" + b"\xff" * 50, UnreadableAnswer, "is no deflate"),
        ("br", b"\x0b\x02\x80hello\x03", UnreadableAnswer, "'br'.*not asked for"),
        ("zstd", b"\x28\xb5\x2f\xfd", UnreadableAnswer, "'zstd'.*not asked for"),
        ("gzip, gzip", gzip.compress(gzip.compress(PAGE)), UnreadableAnswer, "not asked for"),
    ],
)
async def test_what_does_not_unpack_is_told(encoding, body, error, text, packed):
    """Cut off, mislabelled, or packed in a way that nobody asked for: all of it may pass."""
    async with packed(encoding, body) as url, AsyncGlobalAdmin(url, retries=ONCE) as admin:
        await admin.login("jo", "secret")
        with pytest.raises(error, match=text) as caught:
            await admin.notifications.get()
        assert caught.value.transient


@pytest.mark.parametrize("encoding", ["br", "gzip", "deflate"])
@pytest.mark.parametrize("status", [400, 404, 502])
async def test_an_error_page_that_does_not_unpack_leaves_its_status(encoding, status, packed):
    async with (
        packed(encoding, b"no such encoding", status=status) as url,
        AsyncGlobalAdmin(url, retries=ONCE) as admin,
    ):
        await admin.login("jo", "secret")
        with pytest.raises(PortalStatusError, match=str(status)) as caught:
            await admin.notifications.get()
        assert caught.value.status == status
