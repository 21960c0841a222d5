"""How fast is content read? The reference client and this package, against one server.

    python benchmarks/directio.py [--size-mb 1024] [--files 10000] [--repeat 3]

The content is encrypted and compressed with snappy, in blocks of 256 KiB; half of it does not compress. The
server runs in a process of its own and answers from memory, with no more work than to find the answer: the
clients are what is measured. Each contender reads in a process of its own: the bytes are counted and dropped,
start-up is not counted, peak memory is that of the whole process. The contenders take turns; figures are
medians over the repeats.

The seconds of CPU that a client took (all its threads, kernel included) tell more than the wall clock where
the machine has other work. Blocks that are all asked for at once stay in memory with their futures, in both
clients; streams and downloads hold a bounded part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import cterasdk.direct.client

    from ctera_insights.portal import DirectIO

MB = 1 << 20
LARGE = 1
FIRST_SMALL = 1000
SMALL_BYTES = 8192
BLOCK_BYTES = 262_144
DISTINCT = 64
AT_ONCE = 16
"""Small files at once, for each contender."""
QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"
    f"&X-Amz-Date=20260101T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}"
)


def content(size: int, seed: int) -> bytes:
    """Half of it compresses."""
    noise = random.Random(seed).randbytes(size // 2)
    text = b"".join(b"%d: a line of text, as logs and tables have them\n" % n for n in range(size // 80))
    return (noise + text).ljust(size, b" ")[:size]


class Answers:
    """What the server answers, by path: one large file of repeated blocks, and any number of small ones."""

    def __init__(self, size: int, address: str) -> None:
        from ctera_insights.simulator.blocks import Encoding, encode_block, file_key, wrap_key
        from ctera_insights.simulator.directio import SECRET_ACCESS_KEY

        key = file_key(b"benchmark", 0, "")
        self._address = address
        self._wrapped = wrap_key(key, SECRET_ACCESS_KEY)
        self._blocks = [
            _answer(encode_block(content(BLOCK_BYTES, seed), Encoding(), key)) for seed in range(DISTINCT)
        ]
        self._small = _answer(encode_block(content(SMALL_BYTES, 0), Encoding(), key))
        self._large_list = self._list(LARGE, [BLOCK_BYTES] * (size // BLOCK_BYTES))

    def get(self, path: str) -> bytes:
        """Give the whole answer, head and body."""
        _, kind, file_id, *rest = path.partition("?")[0].split("/")
        if kind == "directio":
            return self._large_list if int(file_id) == LARGE else self._list(int(file_id), [SMALL_BYTES])
        number = int(rest[0].partition("-")[2].rstrip("q"))
        return self._blocks[number % DISTINCT] if int(file_id) == LARGE else self._small

    def _list(self, file_id: int, lengths: list[int]) -> bytes:
        base = f"http://{self._address}/blocks/{file_id:08d}/1460a01b2f4e070c63953a17314e2bc9dea31d24"
        chunks = [
            {"url": f"{base}-{number}q?{QUERY}", "len": length} for number, length in enumerate(lengths)
        ]
        info = {"wrapped_key": self._wrapped, "data_encrypted": True}
        answer = {"encrypt_info": info, "compression_type": "SNAPPY", "chunks": chunks}
        return _answer(json.dumps(answer).encode())


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Server(asyncio.Protocol):
    """HTTP/1.1 of GET requests on connections that stay."""

    answers: Answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport: Any = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            self._transport.write(self.answers.get(request.split(b" ", 2)[1].decode()))


def serve(size: int) -> None:
    """Serve until killed; print the URL."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        Server.answers = await asyncio.to_thread(Answers, size, address)
        print(f"http://{address}", flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


async def reference(url: str, read: Callable[[Any], Awaitable[Any]]) -> tuple[Any, float, float]:
    """Cterasdk's client, with its retries and logging as they are by default."""
    from cterasdk.direct.client import DirectIO

    from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY

    async with DirectIO(url, ACCESS_KEY_ID, SECRET_ACCESS_KEY) as client:
        return await _timed(read, client)


async def ours(url: str, read: Callable[[Any], Awaitable[Any]]) -> tuple[Any, float, float]:
    """This package's client."""
    from ctera_insights.portal import DirectIO
    from ctera_insights.simulator.directio import ACCESS_KEY_ID, SECRET_ACCESS_KEY

    async with DirectIO(url, ACCESS_KEY_ID, SECRET_ACCESS_KEY) as client:
        return await _timed(read, client)


async def _timed(read: Callable[[Any], Awaitable[int]], client: object) -> tuple[int, float, float]:
    started, used = time.perf_counter(), time.process_time()
    size = await read(client)
    return size, time.perf_counter() - started, time.process_time() - used


async def reference_streams(client: cterasdk.direct.client.DirectIO) -> int:
    """Blocks in order, the next ones already on their way."""
    streamer = await client.streamer(LARGE)
    return sum([block.length async for block in streamer.start()])


async def reference_blocks(client: cterasdk.direct.client.DirectIO) -> int:
    """Blocks as they come."""
    size = 0
    for future in asyncio.as_completed(await client.blocks(LARGE)):
        size += (await future).length
    return size


async def our_stream(client: DirectIO) -> int:
    """Blocks in order, the next ones already on their way."""
    return sum([block.length async for block in client.stream(LARGE)])


async def our_blocks(client: DirectIO) -> int:
    """Blocks as they come."""
    size = 0
    for future in asyncio.as_completed(await client.blocks(LARGE)):
        size += (await future).length
    return size


async def our_download(client: DirectIO) -> int:
    """To a file, flushed to disk."""
    with tempfile.TemporaryDirectory() as directory:
        return (await client.download(LARGE, Path(directory) / "large")).size


async def _many(read: Callable[[int], Awaitable[int]], files: int) -> int:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(file_id: int) -> int:
        async with turn:
            return await read(file_id)

    return sum(await asyncio.gather(*(one(FIRST_SMALL + number) for number in range(files))))


async def small_files(client: Any, files: int) -> int:
    """Many small files through one client; the call is the same for both."""

    async def one(file_id: int) -> int:
        return sum([len((await future).data) for future in await client.blocks(file_id)])

    return await _many(one, files)


LARGE_RUNS: dict[str, tuple[Any, Any]] = {
    "cterasdk, stream": (reference, reference_streams),
    "cterasdk, blocks": (reference, reference_blocks),
    "ours, stream": (ours, our_stream),
    "ours, blocks": (ours, our_blocks),
    "ours, download to disk": (ours, our_download),
}
SMALL_RUNS: dict[str, Any] = {"cterasdk, small files": reference, "ours, small files": ours}


def contend(name: str, url: str, files: int) -> None:
    """Run one contender; print bytes, seconds and peak memory."""
    if name in LARGE_RUNS:
        connect, read = LARGE_RUNS[name]
        size, seconds, cpu = asyncio.run(connect(url, read))
    else:
        size, seconds, cpu = asyncio.run(SMALL_RUNS[name](url, lambda client: small_files(client, files)))
    print(json.dumps({"bytes": size, "seconds": seconds, "cpu": cpu, "peak": _peak_bytes()}))


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would tell the parent's peak, if that is higher
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


async def check(url: str, size: int) -> None:
    """What both clients read is what is served."""

    async def read(client: Any) -> bytes:
        return b"".join([bytes((await future).data) for future in await client.blocks(FIRST_SMALL)])

    async def large(client: DirectIO) -> int:
        checksum = 0
        async for block in client.stream(LARGE):
            checksum = zlib.crc32(block.data, checksum)
        return checksum

    expected = 0
    blocks = [content(BLOCK_BYTES, seed) for seed in range(DISTINCT)]
    for number in range(size // BLOCK_BYTES):
        expected = zlib.crc32(blocks[number % DISTINCT], expected)
    assert (await ours(url, large))[0] == expected
    for connect in (ours, reference):
        assert (await connect(url, read))[0] == content(SMALL_BYTES, 0)


def measure(url: str, files: int, repeat: int) -> dict[str, dict[str, float]]:
    """Let the contenders take turns; medians."""
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(repeat):
        for name in [*LARGE_RUNS, *SMALL_RUNS]:
            command = [sys.executable, __file__, "--contend", name, "--url", url, "--files", str(files)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            runs.setdefault(name, []).append(json.loads(answer.splitlines()[-1]))
    return {
        name: {key: statistics.median(run[key] for run in results) for key in results[0]}
        for name, results in runs.items()
    }


def report(results: dict[str, dict[str, float]], files: int) -> None:
    """Print a table, and how the best of each compare."""
    print(f"{'':<24}{'seconds':>9}{'MB/s':>8}{'files/s':>9}{'CPU s':>8}{'peak MB':>9}")
    for name, result in results.items():
        speed = result["bytes"] / 1e6 / result["seconds"]
        rate = f"{files / result['seconds']:,.0f}" if name in SMALL_RUNS else ""
        print(
            f"{name:<24}{result['seconds']:>9.2f}{speed:>8.0f}{rate:>9}"
            f"{result['cpu']:>8.2f}{result['peak'] / 1e6:>9.0f}"
        )
    for title, runs in (("large file", LARGE_RUNS), ("small files", SMALL_RUNS)):
        times = {
            (who, key): min(results[name][key] for name in runs if name.startswith(who))
            for who in ("cterasdk", "ours")
            for key in ("seconds", "cpu")
        }
        wall, cpu = (times["cterasdk", key] / times["ours", key] for key in ("seconds", "cpu"))
        print(f"{title}: {wall:.1f} times as fast as the reference client, with 1/{cpu:.1f} of its CPU")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size-mb", type=int, default=1024, help="size of the large file")
    parser.add_argument("--files", type=int, default=10_000, help="small files of 8 KiB")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--contend", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.size_mb * MB)
        return
    if arguments.contend:
        contend(arguments.contend, arguments.url, arguments.files)
        return
    command = [sys.executable, __file__, "--serve", "--size-mb", str(arguments.size_mb)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            print(
                f"{arguments.size_mb} MiB in one file, {arguments.files:,} files of {SMALL_BYTES} bytes; "
                f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {arguments.repeat} repeats"
            )
            asyncio.run(check(url, arguments.size_mb * MB))
            report(measure(url, arguments.files, arguments.repeat), arguments.files)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
