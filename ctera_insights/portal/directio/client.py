"""Direct IO: the content of files, straight from the object store."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from ctera_insights.errors import DirectIOClosed, DirectIOError, FileChanged, UsageError
from ctera_insights.portal.address import portal_url
from ctera_insights.portal.directio.blocks import Block, BlockInfo, FileMetadata
from ctera_insights.portal.directio.http import Http
from ctera_insights.portal.directio.limits import InFlight
from ctera_insights.portal.directio.reading import Reading
from ctera_insights.portal.retry import RetryPolicy
from ctera_insights.portal.tls import TLSOptions, warn_insecure
from ctera_insights.portal.transport import Timeouts
from ctera_insights.settings import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from ctera_insights.portal.directio.blocklist import Chunk
    from ctera_insights.portal.directio.download import Downloaded
    from ctera_insights.portal.tls import ClientCert, StrPath

_DECODERS: Final = max(2, min(4, os.cpu_count() or 2))


class _UnderWay(NamedTuple):
    future: asyncio.Future[Block]
    file_id: int
    offset: int


class DirectIO:
    """Reads file content by file id: blocks straight from the object store, decrypted and decompressed here.

    Give an access key (both halves; the secret one never travels), or a bearer token. The key must belong to
    a Team Portal user. Use it as an async context manager: once it is left, nothing is downloaded any more.

    Args:
        url: the Portal, e.g. ``https://tenant.ctera.com``.
        access_key_id: the half of the access key that is sent to the Portal, and to the Portal only.
        secret_access_key: the half that opens the keys of encrypted files.
        bearer: a token to send instead of ``access_key_id``; encrypted files still need the secret key.
        verify: whether certificates of the Portal and of the object store must be valid.
        ca_file: PEM file of authorities: trusted instead of the system's for the Portal, besides them for the
            object store.
        client_cert: certificate of this client, shown to the Portal only.
        concurrency: requests at once, over all files.
        max_bytes_in_flight: bytes of content being fetched and decoded at once, over all files; a stream
            reads half of it ahead of its consumer. A larger block is fetched alone.
        retries: for what is transient; anything else fails at once.
        timeouts: ``connect_s`` and ``read_s`` (seconds).
        user_agent: instead of this package's own.

    Raises:
        UsageError: an argument is missing or wrong.

    Example::

        async with DirectIO("https://tenant.ctera.com", access_key_id, secret_access_key) as client:
            await client.download(event.id, Path("report.docx"))
            async for block in client.stream(event.id, start=1_000_000):
                digest.update(block.data)
    """

    def __init__(
        self,
        url: str,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        *,
        bearer: str | None = None,
        verify: bool = True,
        ca_file: StrPath | None = None,
        client_cert: ClientCert | None = None,
        concurrency: int = 16,
        max_bytes_in_flight: int = 64 << 20,
        retries: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        user_agent: str | None = None,
    ) -> None:
        if bearer is None and not (access_key_id and secret_access_key):
            raise UsageError("Direct IO needs access_key_id and secret_access_key, or bearer.")
        if bearer is not None and access_key_id is not None:
            raise UsageError("access_key_id and bearer are both what is sent to the Portal: give one.")
        if concurrency < 1 or max_bytes_in_flight < 1:
            raise UsageError(f"{concurrency=}, {max_bytes_in_flight=}: 1 or more of each.")
        token = bearer or access_key_id or ""
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise UsageError(
                "The access key id or bearer token holds characters that no HTTP header can carry."
            )
        tls = TLSOptions(verify, ca_file, client_cert)
        portal = portal_url(url)
        if not verify:
            warn_insecure(portal.host or "", stacklevel=2)
        self._http = Http(portal, Secret(token), tls, timeouts or Timeouts(), user_agent)
        self._secret = Secret(secret_access_key) if secret_access_key else None
        self._retries = retries or RetryPolicy()
        self._concurrency = concurrency
        self._read_ahead = max_bytes_in_flight // 2
        self._in_flight = InFlight(concurrency, max_bytes_in_flight)
        self._pool = ThreadPoolExecutor(_DECODERS, thread_name_prefix="directio")
        self._blocks: dict[asyncio.Task[None], _UnderWay] = {}
        self._listing: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._http.portal)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop every download and close all connections. What is still awaited ends with DirectIOClosed."""
        self._closed = True
        for future, file_id, offset in self._blocks.values():
            if not future.done():
                future.set_exception(_closed(file_id, offset))
        while self._listing:
            self._listing.pop().cancel()
        tasks = list(self._blocks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        await self._http.close()

    async def metadata(self, file_id: int) -> FileMetadata:
        """What the Portal tells of the content of a file: size, encoding, version, where the blocks lie.

        Raises:
            DirectIOError: e.g. ObjectNotFound, NotAuthorized, NotDirect.
        """
        listed = (await self._open(file_id)).blocks
        return FileMetadata(
            file_id=file_id,
            size=listed.size,
            encrypted=listed.encrypted,
            compression=listed.compression,
            version=listed.version,
            blocks=tuple(BlockInfo(*chunk[:3]) for chunk in listed.chunks),
        )

    async def blocks(
        self, file_id: int, start: int = 0, end: int | None = None
    ) -> list[asyncio.Future[Block]]:
        """Start fetching the blocks of a file.

        Each future completes when its block does, in any order. The futures hold what they delivered, as
        futures do: when a file should not lie in memory as a whole, use :meth:`stream` or :meth:`download`.

        Args:
            file_id: of the file.
            start: first byte wanted.
            end: first byte not wanted any more; ``None`` for all to the end.

        Returns:
            A future per block, in the order of the file; none when the range lies beyond the end, or the file
            is empty. Blocks are cut to the range.

        Raises:
            UsageError: the range is not one.
            DirectIOError: the blocks cannot be listed. Each future may raise one too.
        """
        _require_range(start, end)
        reading = await self._open(file_id)
        stop = reading.blocks.size if end is None else end
        return [self._fetch(reading, chunk, start, stop) for chunk in reading.blocks.span(start, stop)]

    async def stream(
        self, file_id: int, start: int = 0, end: int | None = None, *, version: str | None = None
    ) -> AsyncGenerator[Block]:
        """Read a file in order, block by block, fetching ahead of the consumer within bounds.

        Args:
            file_id: of the file.
            start: first byte wanted.
            end: first byte not wanted any more; ``None`` for all to the end.
            version: :attr:`FileMetadata.version` that the file must still have, to go on where an earlier
                stream ended.

        Yields:
            Blocks, cut to the range; none when the range lies beyond the end, or the file is empty.

        Raises:
            UsageError: the range is not one.
            FileChanged: the file has another version.
            DirectIOError: ``offset`` is the first byte not delivered: the ``start`` to resume with.
        """
        _require_range(start, end)
        reading = await self._open(file_id, start)
        if version is not None and reading.blocks.version != version:
            raise FileChanged(
                f"File {file_id} is another version than the one asked for.", file_id=file_id, offset=start
            )
        blocks = self._in_order(reading, start, reading.blocks.size if end is None else end)
        async with aclosing(blocks):
            async for block in blocks:
                yield block

    async def download(
        self,
        file_id: int,
        path: StrPath,
        *,
        resume: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> Downloaded:
        """Download a file. The target appears complete and durable, or not at all.

        The content grows in ``.NAME.part`` beside the target, is flushed to disk, renamed over the target,
        and the directory is flushed. Of an interrupted download of more than 8 MiB, ``.NAME.part`` stays with
        ``.NAME.part.json``, which tells the file's version and how many bytes with which checksum are safe on
        disk. The next call continues there if the Portal still lists that version (the same blocks, by name
        and length) and the checksum of the kept bytes still holds; otherwise it starts over.

        Args:
            file_id: of the file.
            path: the target; its directory must exist. An existing file is replaced.
            resume: whether to use and to leave behind such a beginning.
            progress: called in the event loop with bytes done and bytes in all.

        Raises:
            UsageError: another download writes the same target.
            OSError: the target cannot be written.
            DirectIOError: the content could not be had.
        """
        from ctera_insights.portal.directio.download import download

        reading = await self._open(file_id)
        return await download(self._in_order, reading, path, resume=resume, progress=progress)

    async def _open(self, file_id: int, offset: int = 0) -> Reading:
        """List the blocks; close() ends it."""
        if file_id < 0:
            raise UsageError(f"{file_id!r} is not a file id: an integer, the event's `id`.")
        if self._closed:
            raise _closed(file_id, offset)
        reading = Reading(
            file_id, http=self._http, retries=self._retries, secret=self._secret, pool=self._pool
        )
        caller = asyncio.current_task()
        assert caller is not None
        cancelling = caller.cancelling()
        self._listing.add(caller)
        try:
            async with self._in_flight.slot(0):
                await reading.open(offset)
        except asyncio.CancelledError:
            # As asyncio.timeout does: what close() cancelled, and nobody else, goes on with an error.
            if caller not in self._listing and caller.uncancel() <= cancelling:
                raise _closed(file_id, offset) from None
            raise
        finally:
            self._listing.discard(caller)
        return reading

    async def _in_order(self, reading: Reading, start: int, end: int) -> AsyncGenerator[Block]:
        ahead: deque[asyncio.Future[Block]] = deque()
        ahead_bytes = 0
        position = start
        try:
            for chunk in [*reading.blocks.span(start, end), None]:
                while ahead and (
                    chunk is None
                    or len(ahead) >= 2 * self._concurrency
                    or ahead_bytes + chunk.length > self._read_ahead
                ):
                    block = await ahead.popleft()
                    ahead_bytes -= block.length
                    yield block
                    position = block.offset + block.length
                    del block
                if chunk is not None:
                    ahead.append(self._fetch(reading, chunk, start, end))
                    ahead_bytes += min(end, chunk.offset + chunk.length) - max(start, chunk.offset)
        except DirectIOError as error:
            error.offset = position
            raise
        finally:
            for future in ahead:
                future.cancel()

    def _fetch(self, reading: Reading, chunk: Chunk, start: int, end: int) -> asyncio.Future[Block]:
        """Begin one block, cut to the bytes from ``start`` up to ``end``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Block] = loop.create_future()
        if self._closed:
            future.add_done_callback(_seen)
            future.set_exception(_closed(reading.file_id, chunk.offset))
            return future
        task = loop.create_task(self._deliver(reading, chunk, start, end, future))
        self._blocks[task] = _UnderWay(future, reading.file_id, chunk.offset)
        task.add_done_callback(self._blocks.pop)
        future.add_done_callback(lambda done: task.cancel() if done.cancelled() else _seen(done))
        return future

    async def _deliver(
        self, reading: Reading, chunk: Chunk, start: int, end: int, future: asyncio.Future[Block]
    ) -> None:
        try:
            async with self._in_flight.slot(chunk.length):
                data = await reading.content(chunk)
                first, last = max(0, start - chunk.offset), min(chunk.length, end - chunk.offset)
                if last - first < chunk.length:
                    data = data[first:last]
                block = Block(reading.file_id, chunk.number, chunk.offset + first, last - first, data)
        except asyncio.CancelledError:
            future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whoever awaits the block is told
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(block)


def _seen(future: asyncio.Future[Block]) -> None:
    """Mark an error as noticed: a consumer that stops at the first one leaves the others unread."""
    if not future.cancelled():
        future.exception()


def _closed(file_id: int, offset: int) -> DirectIOClosed:
    return DirectIOClosed(
        f"The Direct IO client was closed before file {file_id} was read.", file_id=file_id, offset=offset
    )


def _require_range(start: int, end: int | None) -> None:
    if start < 0 or (end is not None and end < start):
        raise UsageError(f"{start=}, {end=}: bytes from start up to, not including, end; 0 <= start <= end.")
