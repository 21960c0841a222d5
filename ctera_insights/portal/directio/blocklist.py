"""The Portal's answer to "where are the blocks of this file?", read strictly."""

from __future__ import annotations

import hashlib
import itertools
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple

import msgspec

_INT64_MAX: Final = 2**63 - 1
_WHOLE: Final = re.compile(r"[0-9]{1,19}")


class UnreadableList(ValueError):
    """The block list is not what the protocol describes; says how."""


class Chunk(NamedTuple):
    """One block as listed.

    Attributes:
        number: from 1.
        offset: of its first byte in the file.
        length: in bytes, once decoded.
        url: where its stored form is, signed; a secret while it lasts.
    """

    number: int
    offset: int
    length: int
    url: str

    def __repr__(self) -> str:
        """Without the URL: its signature opens the content."""
        return f"Chunk(number={self.number}, offset={self.offset}, length={self.length})"


@dataclass(frozen=True, slots=True)
class BlockList:
    """A file's blocks, in order and without gaps, and how they are stored.

    Attributes:
        size: of the file, in bytes.
        encrypted: whether the blocks are encrypted.
        compression: ``SNAPPY``, ``GZIP``, ``NONE``, another word of the Portal, or ``None`` when it said
            nothing, as Portals before 8.3 did.
        version: names this content of the file: equal lists of stored blocks have equal versions.
        chunks: the blocks; those of length zero are left out.
        wrapped_key: base64, or ``None``.
    """

    size: int
    encrypted: bool
    compression: str | None
    version: str
    chunks: list[Chunk] = field(repr=False)
    wrapped_key: str | None = field(repr=False)

    @property
    def compressed(self) -> bool:
        """Whether blocks are to be decompressed. Portals that say nothing do compress."""
        return self.compression != "NONE"

    def span(self, start: int, end: int) -> list[Chunk]:
        """The blocks that overlap the bytes from ``start`` up to, not including, ``end``."""
        end = min(end, self.size)
        if start >= end:
            return []
        first = bisect_right(self.chunks, start, key=lambda chunk: chunk.offset) - 1
        last = bisect_right(self.chunks, end - 1, key=lambda chunk: chunk.offset)
        return self.chunks[first:last]


class _Chunk(msgspec.Struct):
    url: str
    len: Annotated[int, msgspec.Meta(ge=0, le=_INT64_MAX)]


class _EncryptInfo(msgspec.Struct):
    wrapped_key: str | None = None
    data_encrypted: bool | None = None


class _Range(msgspec.Struct):
    file_size: int | None = None
    range: str | None = None


class _Answer(msgspec.Struct):
    chunks: list[_Chunk] | None = None
    encrypt_info: _EncryptInfo | None = None
    compression_type: str | None = None
    actual_blocks_range: _Range | None = None
    wrapped_key: str | None = None


_DECODER = msgspec.json.Decoder(_Answer)


def parse_block_list(body: bytes) -> BlockList:
    """Read a block list.

    The wrapped key stands in ``encrypt_info`` since Portal 8.3 and at the top level before; either will do.
    A list without blocks is an empty file.

    Raises:
        UnreadableList: not JSON, a field of another type, or a list that does not cover the file.
    """
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableList(f"not a block list: {error}") from None
    if answer.chunks is None and b'"chunks"' not in body:
        raise UnreadableList("not a block list: no chunks in it")
    listed = answer.chunks or []
    info = answer.encrypt_info or _EncryptInfo()
    wrapped_key = info.wrapped_key or answer.wrapped_key
    encrypted = info.data_encrypted if info.data_encrypted is not None else wrapped_key is not None
    offsets = list(itertools.accumulate((chunk.len for chunk in listed), initial=0))
    size = offsets[-1]
    if size > _INT64_MAX:
        raise UnreadableList(f"its blocks are {size} bytes together, more than any file holds")
    _require_whole(answer.actual_blocks_range, size)
    identity = hashlib.sha256(f"{encrypted} {answer.compression_type} {size}\n".encode())
    identity.update("".join(f"{c.len} {_object_key(c.url)}\n" for c in listed).encode("utf-8", "replace"))
    return BlockList(
        size=size,
        encrypted=encrypted,
        compression=answer.compression_type,
        version=identity.hexdigest()[:32],
        chunks=[
            Chunk(number, offset, chunk.len, chunk.url)
            for number, (offset, chunk) in enumerate(zip(offsets, listed, strict=False), 1)
            if chunk.len
        ],
        wrapped_key=wrapped_key if encrypted else None,
    )


def _object_key(url: str) -> str:
    """The path of a URL: what is stored there stays, while host, signature and expiry may differ."""
    return url.partition("?")[0].partition("://")[2].partition("/")[2]


def _require_whole(covered: _Range | None, size: int) -> None:
    """Refuse a list that covers a part of the file only: offsets would be wrong, or the end missing."""
    if covered is None:
        return
    start = (covered.range or "0").partition("-")[0].strip()
    if _WHOLE.fullmatch(start) and int(start) > 0:
        raise UnreadableList(f"the Portal listed only the bytes {covered.range} of the file")
    if covered.file_size is not None and size < covered.file_size:
        raise UnreadableList(f"the Portal listed {size} of the file's {covered.file_size} bytes")
