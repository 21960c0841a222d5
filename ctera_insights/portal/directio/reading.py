"""One file being read: its block list, renewed when its URLs expire, and the fetching of a block."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from ctera_insights.errors import (
    BlockCorrupt,
    BlockUnavailable,
    FileChanged,
    NotAuthorized,
    NotDirect,
    ObjectNotFound,
    PortalError,
    PortalRefused,
    UnreadableAnswer,
)
from ctera_insights.portal.directio.blocklist import BlockList, Chunk, UnreadableList, parse_block_list
from ctera_insights.portal.directio.codec import BadBlock, decode_block, room_for
from ctera_insights.portal.directio.http import RedirectRefused
from ctera_insights.portal.directio.keys import KeyNotUnwrapped, unwrap_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

    from ctera_insights.errors import DirectIOError
    from ctera_insights.portal.directio.http import Http
    from ctera_insights.portal.retry import RetryPolicy
    from ctera_insights.settings import Secret

T = TypeVar("T")

_INLINE_BYTES: Final = 32_768
"""A block up to this size is decoded in 20 microseconds; handing it to a thread and back takes 100."""
_STALE_URL: Final = frozenset({400, 401, 403, 404, 410})
"""How object stores refuse a URL that expired, or an object that was replaced: a new list may know better."""


class Reading:
    """The block list of one file as it stands, and the way to its content."""

    def __init__(
        self, file_id: int, *, http: Http, retries: RetryPolicy, secret: Secret | None, pool: Executor
    ) -> None:
        self.file_id = file_id
        self._http = http
        self._retries = retries
        self._secret = secret
        self._pool = pool
        self._blocks: BlockList | None = None
        self._key: bytes | None = None
        self._generation = 0
        self._renewing = asyncio.Lock()

    @property
    def blocks(self) -> BlockList:
        """The block list, once opened."""
        assert self._blocks is not None
        return self._blocks

    async def open(self, offset: int = 0) -> None:
        """Ask the Portal for the blocks.

        Args:
            offset: what an error names as the place to resume from.

        Raises:
            DirectIOError: of the kind that the Portal's answer means.
        """
        try:
            blocks = await self._retried(self._ask)
        except PortalError as error:
            raise _list_error(error, self.file_id, offset) from error
        if self._blocks is not None and blocks.version != self._blocks.version:
            raise FileChanged(
                f"File {self.file_id} changed while it was read; read it again from the start.",
                file_id=self.file_id,
                offset=offset,
            )
        self._key = self._unwrapped(blocks, offset)
        self._blocks = blocks

    async def content(self, chunk: Chunk) -> bytes:
        """Fetch and decode one block.

        Raises:
            DirectIOError: naming the block's offset.
        """
        generation = self._generation
        try:
            try:
                stored, md5 = await self._stored(chunk)
            except PortalRefused as error:
                if error.status not in _STALE_URL:
                    raise
                await self._renew(generation, chunk.offset)
                stored, md5 = await self._stored(chunk)
            return await self._decoded(stored, chunk, md5)
        except MemoryError:
            raise BlockUnavailable(
                f"Block {chunk.number} of file {self.file_id} at offset {chunk.offset} needs "
                f"{chunk.length} bytes of memory, which are not there.",
                file_id=self.file_id,
                offset=chunk.offset,
            ) from None
        except BadBlock as error:
            raise BlockCorrupt(
                f"Block {chunk.number} of file {self.file_id} at offset {chunk.offset} is damaged: {error}.",
                file_id=self.file_id,
                offset=chunk.offset,
            ) from None
        except PortalError as error:
            kind = NotAuthorized if getattr(error, "status", None) in {401, 403} else BlockUnavailable
            raise kind(
                f"Block {chunk.number} of file {self.file_id} at offset {chunk.offset} "
                f"could not be fetched: {error}",
                file_id=self.file_id,
                offset=chunk.offset,
            ) from error

    async def _ask(self) -> BlockList:
        body = await self._http.block_list(self.file_id)
        try:
            return parse_block_list(body)
        except UnreadableList as error:
            raise UnreadableAnswer(
                f"The Portal's answer for file {self.file_id} cannot be used: {error}."
            ) from None

    async def _stored(self, chunk: Chunk) -> tuple[list[bytes], str | None]:
        listed = self.blocks.chunks
        url = listed[bisect_left(listed, chunk.offset, key=lambda c: c.offset)].url

        async def attempt() -> tuple[list[bytes], str | None]:
            return await self._http.stored_block(url, chunk.length)

        return await self._retried(attempt)

    async def _retried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """As RetryPolicy.call, without its cost for what goes well at once, as nearly everything does."""
        try:
            return await attempt()
        except PortalError as error:
            if not error.transient:
                raise
            failed: PortalError | None = error

        async def attempts() -> T:
            nonlocal failed
            if failed is not None:
                first, failed = failed, None
                raise first
            return await attempt()

        return await self._retries.call(attempts)

    async def _renew(self, generation: int, offset: int) -> None:
        """Fetch the list anew, once for all the blocks that found their URLs expired."""
        async with self._renewing:
            if self._generation == generation:
                await self.open(offset)
                self._generation += 1

    async def _decoded(self, stored: list[bytes], chunk: Chunk, md5: str | None) -> bytes:
        key, compressed = self._key, self.blocks.compressed
        if chunk.length <= _INLINE_BYTES:
            return decode_block(stored, chunk.length, key=key, compressed=compressed, md5=md5)
        room = room_for(stored, chunk.length, compressed=compressed)
        decode = partial(
            decode_block, stored, chunk.length, key=key, compressed=compressed, md5=md5, room=room
        )
        return await asyncio.get_running_loop().run_in_executor(self._pool, decode)

    def _unwrapped(self, blocks: BlockList, offset: int) -> bytes | None:
        if not blocks.encrypted or not blocks.chunks:
            return None
        if self._secret is None:
            reason = "it is encrypted, and there is no secret access key"
        elif blocks.wrapped_key is None:
            reason = "the Portal sent no key for it"
        else:
            try:
                return unwrap_key(blocks.wrapped_key, self._secret.reveal())
            except KeyNotUnwrapped as error:
                reason = str(error)
        raise NotAuthorized(
            f"File {self.file_id} cannot be decrypted: {reason}.", file_id=self.file_id, offset=offset
        )


def _list_error(error: PortalError, file_id: int, offset: int) -> DirectIOError:
    # What passes was somebody else's answer, or nobody's.
    status = None if error.transient else getattr(error, "status", None)
    if status in {400, 404}:
        return ObjectNotFound(f"There is no file {file_id}.", file_id=file_id, offset=offset)
    if status in {401, 403} or isinstance(error, RedirectRefused):
        return NotAuthorized(
            f"The access key was refused for file {file_id}: {error} "
            "It must belong to a Team Portal user who may read the file.",
            file_id=file_id,
            offset=offset,
        )
    if status == 422:
        return NotDirect(
            f"File {file_id} has blocks on storage that is not in Direct mode.",
            file_id=file_id,
            offset=offset,
        )
    return BlockUnavailable(
        f"The blocks of file {file_id} could not be listed: {error}", file_id=file_id, offset=offset
    )
