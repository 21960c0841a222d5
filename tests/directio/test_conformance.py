"""The reference client and this one read the same bytes from the same simulated Portal."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import sysconfig
from pathlib import Path

import cterasdk.exceptions.direct as peer_errors
import pytest
from cterasdk.direct.client import DirectIO as Peer
from cterasdk.direct.types import ByteRange

from ctera_insights.errors import DirectIOError
from ctera_insights.simulator.blocks import COMPRESSION_TYPE, Encoding
from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
ENCODINGS = [Encoding(c, encrypted=e, block_size=1000) for c in COMPRESSION_TYPE for e in (True, False)]


def real_files(most: int) -> list[Path]:
    """Files of the standard library of the running Python: sources, byte code, data."""
    found = (path for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*")) if path.is_file())
    return list(itertools.islice((path for path in found if path.stat().st_size < 4 << 20), most))


async def peer_read(peer: Peer, file_id: int) -> bytes:
    blocks = {}
    for future in asyncio.as_completed(await peer.blocks(file_id)):
        block = await future
        blocks[block.offset] = bytes(block.data)
    return b"".join(data for _, data in sorted(blocks.items()))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
async def test_the_reference_client_reads_every_encoding(served, content, connect, read, encoding):
    served.settings.encoding = encoding
    async with Peer(served.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY) as peer:
        assert await peer_read(peer, 1) == content
        streamer = await peer.streamer(1, ByteRange(1500, 4499))
        theirs = b"".join([bytes(block.data) async for block in streamer.start()])
        metadata = await peer.metadata(1)
    assert theirs == await read(connect(), 1, 1500, 4500) == content[1500:4500]
    assert metadata.size == len(content)


@pytest.mark.parametrize(
    ("encoding", "most"),
    [(Encoding(), 2000), (Encoding("gzip", encrypted=False, block_size=50_000), 300)],
    ids=["snappy", "gzip"],
)
async def test_thousands_of_real_files_are_the_same_everywhere(served, connect, read, encoding, most):
    """What the directory holds, what the reference client reads and what this client reads."""
    files = await asyncio.to_thread(real_files, most * SCALE)
    served.files = dict(enumerate(files, 1))
    served.settings.encoding = encoding
    sizes = {number: path.stat().st_size for number, path in served.files.items()}
    client = connect()

    async def compare(peer: Peer, number: int) -> None:
        async with turn:
            expected = hashlib.sha256(await asyncio.to_thread(served.files[number].read_bytes)).digest()
            assert hashlib.sha256(await read(client, number)).digest() == expected, served.files[number]
            if sizes[number]:  # the reference client fails on every empty file
                assert hashlib.sha256(await peer_read(peer, number)).digest() == expected

    turn = asyncio.Semaphore(16)
    async with Peer(served.url, ACCESS_KEY_ID, SECRET_ACCESS_KEY) as peer, asyncio.TaskGroup() as group:
        for number in served.files:
            group.create_task(compare(peer, number))
    assert len(files) >= min(most, 1500)


@pytest.mark.parametrize("file_id", [404, 422, 401])
async def test_both_clients_refuse_alike(served, connect, monkeypatch, file_id):
    """The same answers mean the same to both (the reference client waits three seconds before it says so)."""
    monkeypatch.setattr("cterasdk.lib.retries.asyncio.sleep", lambda _: _nothing())
    served.settings.not_direct = {422}
    served.files[422] = served.files[401] = b"x"
    key = "WRONG" if file_id == 401 else ACCESS_KEY_ID
    expected = {
        404: peer_errors.ObjectNotFoundError,
        422: peer_errors.UnsupportedStorageError,
        401: peer_errors.AuthorizationError,
    }[file_id]
    async with Peer(served.url, key, SECRET_ACCESS_KEY) as peer:
        with pytest.raises(expected):
            await peer.blocks(file_id)
    options = {"access_key_id": key, "secret_access_key": SECRET_ACCESS_KEY}
    with pytest.raises(DirectIOError) as caught:
        await connect(**options).blocks(file_id)
    assert (
        type(caught.value).__name__
        == {404: "ObjectNotFound", 422: "NotDirect", 401: "NotAuthorized"}[file_id]
    )


async def _nothing() -> None:
    return None
