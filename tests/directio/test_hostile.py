"""A list or an address that is none ends its own file with an error of this package, and no other file."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.errors import DirectIOError
from ctera_insights.mirror import RemoteFile, mirror
from ctera_insights.portal import DirectIO, RetryPolicy, Timeouts
from ctera_insights.portal.directio.blocklist import UnreadableList, parse_block_list
from ctera_insights.portal.directio.codec import BadBlock, decode_block

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DATA = b"content " * 500
ADDRESSES = [
    "http://ex..ample.invalid/x",
    "http://" + "a" * 70 + ".invalid/x",
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:0/x",
    "http://[::1/x",
    "http://[::1]:x/",
    "http://xn--a.invalid/",
    "http://\U0001f600.invalid/",
    "http://\ud83d.invalid/",
    "http://exa mple/x",
    "http://\0/x",
    "http://a\r\nb/x",
    "http://",
    "//127.0.0.1/x",
    "ftp://127.0.0.1/x",
    "file:///etc/passwd",
    "data:,abc",
    "not an address",
    "",
    "http://.invalid/",
    "http://-.invalid/",
    "http://user:pa:ss@[::1/",
    "http://1.2.3.4.5.6/",
    "http://0x7f.1:-1/",
    "http://127.0.0.1:\u0663/x",
    "http://%00/x",
    "http://" + "a." * 200 + "b/x",
]
LISTS: dict[str, Any] = {
    "no object": [],
    "null": None,
    "no chunks": {},
    "chunks no list": {"chunks": {"url": "x", "len": 1}},
    "a null block": {"chunks": [None]},
    "a length as text": {"chunks": [{"url": "http://127.0.0.1/", "len": "6000"}]},
    "a negative length": {"chunks": [{"url": "http://127.0.0.1/", "len": -1}]},
    "a fraction of a byte": {"chunks": [{"url": "http://127.0.0.1/", "len": 1.5}]},
    "a length of 2^63": {"chunks": [{"url": "http://127.0.0.1/", "len": 2**63}]},
    "lengths of 2^63 together": {"chunks": [{"url": "http://127.0.0.1/", "len": 2**62}] * 2},
    "a length of a googol": {"chunks": [{"url": "http://127.0.0.1/", "len": 10**100}]},
    "a part of the file": {
        "chunks": [{"url": "http://127.0.0.1/", "len": 5}],
        "actual_blocks_range": {"range": "5-10"},
    },
    "less than the file": {"chunks": [], "actual_blocks_range": {"file_size": 10, "range": "1" * 5000}},
}


@asynccontextmanager
async def store(lists: dict[int, Any], location: str = "") -> AsyncIterator[str]:
    """A Portal that lists blocks as told, with one sound block at ``/sound`` and a redirect at ``/away``."""

    async def listed(request: web.Request) -> web.Response:
        found = lists[int(request.match_info["id"])]
        return web.Response(body=found if isinstance(found, bytes) else json.dumps(found).encode())

    async def sound(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(DATA))

    async def away(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location} if location else {})

    app = web.Application()
    app.router.add_get("/directio/{id}", listed)
    app.router.add_get("/sound", sound)
    app.router.add_get("/away", away)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        lists[0] = blocks(f"{url}/sound")
        yield url
    finally:
        await runner.cleanup()


def blocks(url: str, length: int = len(DATA), compression: str = "GZIP") -> dict[str, Any]:
    return {"chunks": [{"url": url, "len": length}], "compression_type": compression}


def client(url: str) -> DirectIO:
    return DirectIO(url, "id", "AAAA", retries=RetryPolicy(attempts=2, base_s=0.001, cap_s=0.01))


async def refused(url: str, file_id: int, path: Path) -> DirectIOError:
    async with client(url) as reader:
        with pytest.raises(DirectIOError) as caught:
            await reader.download(file_id, path)
    assert not await asyncio.to_thread(path.exists)
    assert len(str(caught.value)) < 400
    assert caught.value.file_id == file_id
    return caught.value


@pytest.mark.parametrize("address", ADDRESSES, ids=ascii)
async def test_an_address_that_is_none_fails_its_file(address: str, tmp_path: Path) -> None:
    async with store({1: blocks(address)}) as url:
        await refused(url, 1, tmp_path / "f")


@pytest.mark.parametrize(
    "address", ["", *(a for a in ADDRESSES if a.isprintable() and a.isascii())], ids=ascii
)
async def test_a_redirect_to_nowhere_fails_its_file(address: str, tmp_path: Path) -> None:
    lists: dict[int, Any] = {}
    async with store(lists, address) as url:
        lists[1] = blocks(f"{url}/away")
        await refused(url, 1, tmp_path / "f")


@pytest.mark.parametrize("listed", LISTS.values(), ids=LISTS)
async def test_a_list_that_is_none_fails_its_file(listed: Any, tmp_path: Path) -> None:
    async with store({1: listed}) as url:
        await refused(url, 1, tmp_path / "f")


async def test_a_list_of_any_depth_fails_its_file(tmp_path: Path) -> None:
    async with store({1: b'{"chunks":[],"more":' + b"[" * 200_000 + b"]" * 200_000 + b"}"}) as url:
        await refused(url, 1, tmp_path / "f")


@pytest.mark.parametrize("length", [2**62, 2**40, len(DATA) + 1, len(DATA) - 1])
@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
async def test_a_length_that_the_block_has_not_fails_its_file(
    length: int, compression: str, tmp_path: Path
) -> None:
    """However large: no memory is taken by an announcement."""
    lists: dict[int, Any] = {}
    async with store(lists) as url:
        lists[1] = blocks(f"{url}/sound", length, compression)
        await refused(url, 1, tmp_path / "f")


def test_the_densest_block_is_no_contradiction() -> None:
    zeros = bytes(50 << 20)
    assert decode_block([gzip.compress(zeros, 9)], len(zeros), key=None, compressed=True) == zeros
    with pytest.raises(BadBlock, match="cannot come from"):
        decode_block([gzip.compress(b"")], 1 << 62, key=None, compressed=True)


async def test_a_mirror_tells_each_that_fails_and_has_all_others(tmp_path: Path) -> None:
    lists: dict[int, Any] = {n: blocks(address) for n, address in enumerate(ADDRESSES, 1)}
    lists |= dict(enumerate(LISTS.values(), 100))
    bad = [RemoteFile(f"bad/{n}", n, 10) for n in lists]
    bad += [
        RemoteFile("no id", None, 1),
        RemoteFile("minus", -5, 1),
        RemoteFile("/", 0, 1),
        RemoteFile("huge", 10**30, 2**63),
        RemoteFile("x/" * 3000 + "f", 0, 1),
    ]
    good = [RemoteFile(f"good/{n}", 0, len(DATA)) for n in range(20)]
    good.append(RemoteFile("d/" * 1500 + "f", 0, len(DATA)))
    async with store(lists) as url, client(url) as reader:
        lists[10**30] = None
        report = await mirror(reader, [*bad, *good], tmp_path)
    assert sorted(failure.path for failure in report.failures) == sorted(file.path for file in bad)
    assert report.downloaded == len(good)
    assert all((tmp_path / file.path).read_bytes() == DATA for file in good)
    # Too deep for what tidies up behind the tests.
    assert await (await asyncio.create_subprocess_exec("rm", "-rf", str(tmp_path / "d"))).wait() == 0
    # Nothing is as foreign as the name of an exception of Python.
    assert not [failure for failure in report.failures if "Error:" in failure.reason]


async def test_notes_of_a_mirror_that_are_no_text_cost_a_download(tmp_path: Path) -> None:
    (tmp_path / ".ctera-insights-mirror.jsonl").write_bytes(
        b"\xff\xfe\n" + b"[" * 100_000 + b"\n[[], 1]\n{}\n7\n"
    )
    async with store({}) as url, client(url) as reader:
        report = await mirror(reader, [RemoteFile("f", 0, len(DATA))], tmp_path)
    assert (report.downloaded, report.failures) == (1, [])


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda i: (
            st.lists(i)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "chunks",
                        "url",
                        "len",
                        "encrypt_info",
                        "wrapped_key",
                        "actual_blocks_range",
                        "file_size",
                        "range",
                    ]
                ),
                i,
            )
        ),
        max_leaves=8,
    )
)
def test_a_block_list_is_read_or_refused(listed: Any) -> None:
    body = listed if isinstance(listed, bytes) else json.dumps(listed).encode()
    try:
        found = parse_block_list(body)
    except UnreadableList:
        return
    assert found.size == sum(chunk.length for chunk in found.chunks)


@pytest.mark.parametrize("what", ["the block list", "a block"])
async def test_a_byte_now_and_then_is_given_up(what: str, tmp_path: Path) -> None:
    """Such an answer never meets a limit on silence; the list of blocks and each block are watched for it."""
    served: list[str] = []

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    async def blocks(request: web.Request) -> web.StreamResponse:
        served.append(request.path)
        if what == "the block list":
            return await drip(request)
        url = f"http://127.0.0.1:{request.url.port}/block"
        return web.json_response({"chunks": [{"url": url, "len": 50_000}], "compression_type": "NONE"})

    app = web.Application()
    app.router.add_get("/directio/{id}", blocks)
    app.router.add_get("/block", drip)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        timeouts = Timeouts(connect_s=1, read_s=0.3)
        retries = RetryPolicy(attempts=2, base_s=0.01, cap_s=0.01)
        async with (
            asyncio.timeout(10),
            DirectIO(url, "id", "AAAA", timeouts=timeouts, retries=retries) as client,
        ):
            with pytest.raises(DirectIOError, match="too slowly") as told:
                await client.download(1, tmp_path / "file")
    finally:
        await runner.cleanup()
    assert told.value.file_id == 1
    assert not (tmp_path / "file").exists()
    assert served
