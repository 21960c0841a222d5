"""What a user of Direct IO gets: blocks of content, and what is known of a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a file's content.

    Attributes:
        file_id: of the file.
        number: of the block, from 1.
        offset: of the first byte of ``data`` in the file.
        length: of ``data``, in bytes.
        data: the content, decrypted and decompressed.
    """

    file_id: int
    number: int
    offset: int
    length: int
    data: bytes = field(repr=False)


class BlockInfo(NamedTuple):
    """Where a block lies in the file: its number from 1, offset and length in bytes."""

    number: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """What the Portal tells of a file's content, without keys and without signed URLs.

    Attributes:
        file_id: of the file.
        size: in bytes.
        encrypted: whether its blocks are encrypted in the store.
        compression: ``SNAPPY``, ``GZIP``, ``NONE``; ``None`` from Portals before 8.3, which do not say.
        version: names this content: it stays while the stored blocks of the file stay.
        blocks: where they lie in the file.
    """

    file_id: int
    size: int
    encrypted: bool
    compression: str | None
    version: str
    blocks: tuple[BlockInfo, ...] = field(repr=False)
