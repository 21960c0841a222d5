from __future__ import annotations

import asyncio
import gc
import logging
import os

import pytest
from aiohttp import web

from ctera_insights.errors import (
    BlockCorrupt,
    BlockUnavailable,
    DirectIOClosed,
    DirectIOError,
    FileChanged,
    NotAuthorized,
    NotDirect,
    ObjectNotFound,
    UsageError,
)
from ctera_insights.portal import DirectIO, RetryPolicy, Timeouts
from ctera_insights.simulator.blocks import COMPRESSION_TYPE, Encoding
from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from ctera_insights.simulator.directio_faults import BLOCK_LIST, Fault

ENCODINGS = [Encoding(c, encrypted=e, block_size=1000) for c in COMPRESSION_TYPE for e in (True, False)]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
async def test_blocks_complete_in_any_order_and_make_up_the_file(served, content, connect, encoding):
    served.settings.encoding = encoding
    futures = await connect().blocks(1)
    found = bytearray(len(content))
    numbers = []
    for future in asyncio.as_completed(futures):
        block = await future
        assert block.length == len(block.data)
        found[block.offset : block.offset + block.length] = block.data
        numbers.append(block.number)
    assert bytes(found) == content
    assert sorted(numbers) == list(range(1, 12))


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, None), (0, 1), (999, 1001), (1000, 2000), (500, 9999), (10_499, None), (3, 3), (7000, 99_999)],
)
async def test_a_range_is_half_open(content, connect, read, start, end):
    client = connect()
    assert await read(client, 1, start, end) == content[start:end]
    blocks = [await future for future in await client.blocks(1, start, end)]
    assert b"".join(block.data for block in blocks) == content[start:end]


@pytest.mark.parametrize("start", [10_500, 10_501, 1 << 60])
async def test_a_range_at_or_beyond_the_end_is_empty(connect, read, start):
    client = connect()
    assert await read(client, 1, start) == b""
    assert await client.blocks(1, start) == []


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 4), (0, -1)])
async def test_what_is_no_range_is_refused(connect, read, start, end):
    with pytest.raises(UsageError):
        await connect().blocks(1, start, end)
    with pytest.raises(UsageError):
        await read(connect(), 1, start, end)


async def test_only_the_blocks_of_a_range_are_fetched(served, connect, read):
    await read(connect(), 1, 2500, 3500)
    assert served.settings.requests["block"] == 2


async def test_an_empty_file_is_empty(served, connect, read, tmp_path):
    served.files[2] = b""
    client = connect()
    assert await client.blocks(2) == []
    assert await read(client, 2) == b""
    assert (await client.metadata(2)).size == 0
    await client.download(2, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


async def test_metadata_tells_all_but_keys_and_urls(connect):
    metadata = await connect().metadata(1)
    assert (metadata.file_id, metadata.size, metadata.encrypted) == (1, 10_500, True)
    assert metadata.compression == "SNAPPY"
    assert metadata.blocks[-1] == (11, 10_000, 500)
    assert "http" not in repr(metadata)
    assert not hasattr(metadata, "encryption_key")


async def test_an_old_portals_answer_is_read(served, content, connect, read):
    served.settings.old_portal = True
    assert await read(connect(), 1) == content


async def test_several_access_keys_work_each_with_its_secret(served, content, read, quick):
    served.settings.keys = {"FIRST": "Zmlyc3Q=", "SECOND": "c2Vjb25k"}
    for key, secret in served.settings.keys.items():
        async with DirectIO(served.url, key, secret, retries=quick) as client:
            assert await read(client, 1) == content


async def test_a_bearer_token_reads_what_is_not_encrypted(served, content, connect, read):
    served.settings.encoding = Encoding("gzip", encrypted=False, block_size=1000)
    assert await read(connect(bearer=ACCESS_KEY_ID), 1) == content
    served.settings.encoding = Encoding("gzip", block_size=1000)
    with pytest.raises(NotAuthorized, match="no secret"):
        await read(connect(bearer=ACCESS_KEY_ID), 1)
    assert await read(connect(bearer=ACCESS_KEY_ID, secret_access_key=SECRET_ACCESS_KEY), 1) == content


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422, 502])
async def test_a_gateways_page_says_nothing_about_a_file(status):
    """HTML in the place of the block list passes: while the Portal is upgraded no file is taken for gone."""

    async def page(_):
        return web.Response(status=status, text="<html><h1>Not Found</h1></html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        quick = RetryPolicy(attempts=3, base_s=0.001)
        async with DirectIO(url, ACCESS_KEY_ID, SECRET_ACCESS_KEY, retries=quick) as client:
            with pytest.raises(BlockUnavailable) as caught:
                await client.metadata(1)
        assert caught.value.transient
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ObjectNotFound),
        (404, ObjectNotFound),
        (401, NotAuthorized),
        (403, NotAuthorized),
        (422, NotDirect),
        (409, BlockUnavailable),
        (418, BlockUnavailable),
    ],
)
async def test_a_final_answer_is_told_at_once_by_its_kind(served, connect, status, kind):
    served.settings.faults.add(Fault("status", number=BLOCK_LIST, status=status))
    with pytest.raises(kind) as caught:
        await connect().metadata(1)
    assert (caught.value.file_id, caught.value.offset) == (1, 0)
    assert served.settings.requests["list"] == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_passing_answer_is_tried_again(served, content, connect, read, status):
    served.settings.faults.add(Fault("status", number=BLOCK_LIST, status=status, times=2, retry_after="1"))
    served.settings.faults.add(Fault("status", number=3, status=status, times=2))
    assert await read(connect(), 1) == content


@pytest.mark.parametrize("kind", ["reset", "cut", "html"])
async def test_a_broken_block_list_is_tried_again(served, content, connect, read, kind):
    served.settings.faults.add(Fault(kind, number=BLOCK_LIST, times=2))
    assert await read(connect(), 1) == content


@pytest.mark.parametrize("kind", ["reset", "cut"])
async def test_a_broken_block_is_tried_again(served, content, connect, read, kind):
    served.settings.faults.add(Fault(kind, times=2))
    assert await read(connect(), 1) == content


@pytest.mark.parametrize("kind", ["reset", "cut", "status"])
async def test_what_does_not_pass_ends_with_file_and_offset(served, connect, read, kind):
    served.settings.faults.add(Fault(kind, number=4))
    with pytest.raises(BlockUnavailable) as caught:
        await read(connect(), 1)
    assert (caught.value.file_id, caught.value.offset) == (1, 3000)


async def test_a_slow_answer_ends_in_time(served, connect, read, quick):
    served.settings.faults.add(Fault("stall", number=2, delay_s=5))
    quick = RetryPolicy(attempts=1)
    with pytest.raises(BlockUnavailable, match="in time") as caught:
        await read(connect(timeouts=Timeouts(read_s=0.05), retries=quick), 1)
    assert caught.value.offset == 1000


@pytest.mark.parametrize("damage", ["short", "long", "padding"])
async def test_a_damaged_block_is_told_and_not_tried_again(served, content, connect, read, damage):
    served.settings.faults.add(Fault(damage, number=3))
    client = connect()
    with pytest.raises(BlockCorrupt) as caught:
        await read(client, 1)
    assert (caught.value.file_id, caught.value.offset) == (1, 2000)
    assert served.settings.requests["list"] == 1
    assert await read(client, 1, 3000) == content[3000:], "the client stays of use"


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
async def test_damage_shows_by_the_stores_checksum(served, content, connect, read, encoding):
    served.settings.encoding = encoding
    served.settings.checksums = True
    assert await read(connect(), 1) == content
    served.settings.faults.add(Fault("corrupt", number=7))
    with pytest.raises(BlockCorrupt):
        await read(connect(), 1)


async def test_a_stream_delivers_what_comes_before_the_error_and_names_where_to_resume(
    served, content, connect, read
):
    served.settings.faults.add(Fault("status", number=6, status=404))
    client = connect()
    got = bytearray()
    with pytest.raises(BlockUnavailable) as caught:  # noqa: PT012 - the loop is what raises
        async for block in client.stream(1, 100):
            got += block.data
    assert caught.value.offset == 100 + len(got) == 5000
    served.settings.faults.clear()
    assert bytes(got) + await read(client, 1, caught.value.offset) == content[100:]


async def test_the_error_of_a_failed_block_is_that_blocks_future(served, connect):
    served.settings.faults.add(Fault("short", number=5))
    results = await asyncio.gather(*await connect().blocks(1), return_exceptions=True)
    assert [isinstance(result, DirectIOError) for result in results].count(True) == 1
    assert results[4].offset == 4000


async def test_an_expired_url_is_renewed_once_for_all_blocks(served, content, connect, read):
    served.settings.faults.add(Fault("expired", times=8))
    assert await read(connect(concurrency=8), 1) == content
    assert served.settings.requests["list"] == 2


async def test_urls_that_really_expire_are_renewed(served, content, connect):
    served.settings.url_lifetime_s = -1
    client = connect()
    stream = client.stream(1)
    with pytest.raises(NotAuthorized):
        await anext(stream)
    reading = client.stream(1)
    served.settings.url_lifetime_s = 60
    assert b"".join([block.data async for block in reading]) == content


async def test_a_store_that_goes_on_refusing_is_not_asked_for_ever(served, connect, read):
    served.settings.faults.add(Fault("expired", number=2))
    with pytest.raises(NotAuthorized) as caught:
        await read(connect(), 1)
    assert caught.value.offset == 1000
    assert served.settings.requests["list"] == 2


async def test_a_file_that_changes_while_it_is_read_is_never_mixed(served, content, connect):
    client = connect(concurrency=1, max_bytes_in_flight=1000)
    got = bytearray()
    with pytest.raises(FileChanged) as caught:  # noqa: PT012 - the loop is what raises
        async for block in client.stream(1):
            got += block.data
            served.files[1] = bytes(len(content))
    assert content.startswith(got)
    assert caught.value.offset == len(got)


async def test_a_stream_can_insist_on_a_version(served, content, connect):
    client = connect()
    version = (await client.metadata(1)).version
    assert b"".join([b.data async for b in client.stream(1, 5000, version=version)]) == content[5000:]
    served.files[1] = content + b"more"
    with pytest.raises(FileChanged):
        await anext(client.stream(1, 5000, version=version))


async def test_signed_urls_go_out_byte_for_byte(served, content, connect, read):
    served.settings.exact_query = True
    assert await read(connect(), 1) == content


async def test_the_access_key_goes_to_the_portal_only(served, content, connect, read, monkeypatch, tmp_path):
    """Not to the store, not even a password that ~/.netrc has for its host."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert await read(connect(), 1) == content
    assert served.settings.keys_seen_at_store == 0


async def test_the_access_key_does_not_follow_a_redirect_to_another_place(served, connect):
    seen = []

    async def catch_all(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({"chunks": []})

    app = web.Application()
    app.router.add_get("/{path:.*}", catch_all)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    elsewhere = f"http://127.0.0.1:{runner.addresses[0][1]}/directio/1"
    served.settings.faults.add(Fault("redirect", number=BLOCK_LIST, location=elsewhere))
    with pytest.raises(NotAuthorized, match="redirects to"):
        await connect().metadata(1)
    await runner.cleanup()
    assert seen == []


async def test_a_redirect_within_the_portal_is_followed_and_one_to_the_login_page_is_not(
    served, content, connect, read
):
    served.settings.faults.add(Fault("redirect", number=BLOCK_LIST, location="/directio/1", times=1))
    assert await read(connect(), 1) == content
    served.settings.faults.add(Fault("redirect", number=BLOCK_LIST))
    with pytest.raises(NotAuthorized, match="login"):
        await connect().metadata(1)


async def test_redirects_in_a_circle_end(served, connect):
    served.settings.faults.add(Fault("redirect", number=BLOCK_LIST, location="/directio/1"))
    with pytest.raises(DirectIOError, match="circle"):
        await connect().metadata(1)


async def test_a_block_redirected_by_the_store_is_fetched(served, content, connect, read):
    """As object stores redirect to the region of a bucket."""
    client = connect()
    listed = await client._open(1)
    served.settings.faults.add(Fault("redirect", number=2, location=listed.blocks.chunks[1].url, times=1))
    assert await read(client, 1) == content


async def test_no_more_requests_than_allowed_are_under_way(served, content, connect, read):
    served.settings.faults.add(Fault("slow", delay_s=0.01))
    client = connect(concurrency=3)
    files = await asyncio.gather(*(read(client, 1) for _ in range(4)))
    assert files == [content] * 4
    assert served.settings.busiest == 3


async def test_no_more_bytes_than_allowed_are_under_way(served, content, connect):
    served.settings.faults.add(Fault("slow", delay_s=0.01))
    blocks = await asyncio.gather(*await connect(max_bytes_in_flight=2400).blocks(1))
    assert b"".join(block.data for block in blocks) == content
    assert served.settings.busiest == 2


async def test_a_slow_consumer_stops_the_reading_ahead(served, connect):
    client = connect(max_bytes_in_flight=3000)
    stream = client.stream(1)
    await anext(stream)
    await asyncio.sleep(0.1)
    assert served.settings.requests["block"] <= 4
    await stream.aclose()


async def test_a_paused_stream_does_not_hold_up_another(connect, read):
    client = connect(concurrency=1, max_bytes_in_flight=1000)
    async with asyncio.timeout(10):
        async for block in client.stream(1, 0, 3000):
            assert await read(client, 1, block.offset, block.offset + 1000) == block.data


async def test_leaving_a_stream_ends_its_downloads(served, connect):
    served.settings.faults.add(Fault("slow", delay_s=0.05))
    client = connect(concurrency=2)
    async for _ in client.stream(1):
        break
    await asyncio.sleep(0.02)
    before = served.settings.requests["block"]
    await asyncio.sleep(0.15)
    assert served.settings.requests["block"] == before


async def test_a_cancelled_future_ends_its_download_only(served, content, connect):
    served.settings.faults.add(Fault("slow", delay_s=0.02))
    futures = await connect(concurrency=1).blocks(1)
    for future in futures[2:]:
        future.cancel()
    blocks = await asyncio.gather(*futures[:2])
    assert b"".join(block.data for block in blocks) == content[:2000]
    await asyncio.sleep(0.05)
    assert served.settings.requests["block"] == 2


async def test_nothing_is_downloaded_after_close_and_leftovers_say_so(served, content, connect, caplog):
    served.settings.faults.add(Fault("slow", delay_s=0.05))
    async with connect(concurrency=4) as client:
        futures = await client.blocks(1)
        stream = client.stream(1)
        first = await anext(stream)
        assert first.data == content[:1000]
    requests = served.settings.requests["block"]
    async with asyncio.timeout(1):
        for future in futures:
            if future.exception() is None:
                continue
            with pytest.raises(DirectIOClosed):
                await future
        with pytest.raises(DirectIOClosed) as caught:
            async for _ in stream:
                pass
    assert caught.value.offset % 1000 == 0
    assert caught.value.offset >= 1000
    await asyncio.sleep(0.1)
    assert served.settings.requests["block"] == requests
    with pytest.raises(DirectIOClosed):
        await client.metadata(1)
    del futures, future
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_close_ends_a_listing_under_way(served, connect):
    served.settings.faults.add(Fault("slow", number=BLOCK_LIST, delay_s=30))
    client = connect()
    waiting = asyncio.create_task(client.metadata(1))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await client.close()
        with pytest.raises(DirectIOClosed):
            await waiting


async def test_a_cancelled_caller_is_cancelled(served, connect):
    served.settings.faults.add(Fault("slow", number=BLOCK_LIST, delay_s=30))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connect().metadata(1)


async def test_many_files_at_once(served, connect, read):
    served.files = {number: os.urandom(number * 7) for number in range(300)}
    client = connect()
    found = await asyncio.gather(*(read(client, number) for number in served.files))
    assert found == list(served.files.values())
    assert served.settings.busiest <= 16


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"access_key_id": "A"},
        {"access_key_id": "A", "secret_access_key": "B", "bearer": "C"},
        {"bearer": ""},
        {"bearer": "two\r\nlines"},
        {"bearer": "x", "concurrency": 0},
        {"bearer": "x", "max_bytes_in_flight": 0},
    ],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(UsageError):
        DirectIO("http://127.0.0.1", **arguments)


async def test_no_secret_shows(served, connect, read, caplog):
    """Not in reprs, not in messages, not in the chain of an error."""
    caplog.set_level(logging.DEBUG)
    served.settings.faults.add(Fault("status", number=3))
    served.settings.faults.add(Fault("expired", number=5))
    client = connect()
    text = repr(client) + repr(vars(client))
    with pytest.raises(DirectIOError) as caught:
        await read(client, 1)
    error: BaseException | None = caught.value
    while error is not None:
        text += f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    text += caplog.text
    for secret in (ACCESS_KEY_ID, SECRET_ACCESS_KEY, "X-Amz-Signature"):
        assert secret not in text


async def test_refused_connections_are_told(quick):
    async with DirectIO("http://127.0.0.1:9", "A", "Qg==", retries=quick) as client:
        with pytest.raises(BlockUnavailable, match="No connection to the Portal"):
            await client.metadata(1)
