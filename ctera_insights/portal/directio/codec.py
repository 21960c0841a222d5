"""A block from its form in the object store to the bytes of the file: decrypt, decompress, measure."""

from __future__ import annotations

import hashlib
import threading
import zlib
from base64 import b64decode
from io import BytesIO

from ctera_insights.portal.directio.keys import padded_end

GZIP_MAGIC = b"\x1f\x8b"
SNAPPY_MAGIC = b"\x82SNAPPY\0"
_SNAPPY_HEADER_BYTES = 16  # magic, version, lowest compatible version
_CIPHER_BLOCK = 16
_PREFIX_BYTES = 1 + _CIPHER_BLOCK  # a header byte of unknown meaning, then the IV
_INFLATED_PIECE_BYTES = 256 << 10
_KEPT_SCRATCH_BYTES = 4 << 20
_local = threading.local()


class BadBlock(ValueError):
    """The block does not decrypt, decompress or measure as announced; says which."""


def decode_block(
    stored: list[bytes],
    length: int,
    *,
    key: bytes | None,
    compressed: bool,
    md5: str | None = None,
    room: BytesIO | None = None,
) -> bytes:
    """Decode one block. Releases the GIL in all that takes time, so threads use every core.

    The formats are told apart by their content, as the Portal's own clients do: gzip, the stream format of
    snappy-java, and otherwise one raw snappy buffer.

    Args:
        stored: the block as stored, in pieces. It is emptied, so that the stored form is freed while the
            decoded one grows.
        length: bytes that the block has once decoded, from the block list.
        key: the file's key, or ``None`` when the block is not encrypted.
        compressed: whether the block is compressed.
        md5: base64 checksum of the block as stored, where the store told one.
        room: from :func:`room_for`, made here when not given.

    Raises:
        BadBlock: on any contradiction; no bytes are returned that are not exactly ``length`` long.
    """
    if md5 is not None:
        _check_md5(stored, md5)
    if compressed and length > longest_decoded(sum(map(len, stored))):
        raise BadBlock(f"{length} bytes were announced, which cannot come from what is stored")
    room = room or room_for(stored, length, compressed=compressed)
    if key is None:
        body = stored.pop() if len(stored) == 1 else b"".join(stored)
        stored.clear()
        return _decompress(memoryview(body), length, room) if compressed else _measured(body, length)
    if compressed:
        plain = _scratch(sum(map(len, stored)))
        return _decompress(plain[: _decrypt(stored, key, plain)], length, room)
    with room.getbuffer() as view:
        end = _decrypt(stored, key, view)
    room.truncate(end)
    return _measured(room.getvalue(), length)


def room_for(stored: list[bytes], length: int, *, compressed: bool) -> BytesIO:
    """Room that a block is decoded into; it becomes the decoded bytes without a copy.

    Whoever runs :func:`decode_block` in a thread makes it outside: the allocators of threads give large
    blocks back to the system each time, and their page faults cost as much as the decoding.
    """
    stored_bytes = sum(map(len, stored))
    return BytesIO(bytes(min(length, longest_decoded(stored_bytes)) if compressed else stored_bytes))


def longest_stored(length: int) -> int:
    """The most bytes that a block of ``length`` bytes can have as stored, whatever its format.

    Snappy grows incompressible input by at most a sixth and 32 bytes a piece; the smallest piece any known
    writer uses is 1 KiB.
    """
    return length + length // 4 + 64 * (length // 1024) + 1024


def longest_decoded(stored_bytes: int) -> int:
    """The most bytes that so many can decompress to: DEFLATE, the densest of the formats, reaches 1,032 to 1.

    Source: zlib Technical Details, "Maximum Compression Factor".
    """
    return 1032 * (stored_bytes + 64)


def _measured(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise BadBlock(f"it has {len(data)} bytes, announced were {length}")
    return data


def _check_md5(stored: list[bytes], announced: str) -> None:
    try:
        expected = b64decode(announced, validate=True)
    except ValueError:
        return  # not a checksum that could be compared
    if len(expected) != 16:
        return
    digest = hashlib.md5(usedforsecurity=False)
    for piece in stored:
        digest.update(piece)
    if digest.digest() != expected:
        raise BadBlock("it is not what its Content-MD5 says")


def _scratch(size: int) -> memoryview:
    """Room for a block between decryption and decompression, reused by the thread unless it is large."""
    if size > _KEPT_SCRATCH_BYTES:
        return memoryview(bytearray(size))
    room: bytearray | None = getattr(_local, "room", None)
    if room is None or len(room) < size:
        room = _local.room = bytearray(size)
    return memoryview(room)


def _decrypt(stored: list[bytes], key: bytes, into: memoryview) -> int:
    """Decrypt into a buffer as large as the block as stored; tells how many bytes of it are content."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    encrypted = sum(map(len, stored)) - _PREFIX_BYTES
    if encrypted < _CIPHER_BLOCK or encrypted % _CIPHER_BLOCK:
        raise BadBlock(f"an encrypted block of {_PREFIX_BYTES + encrypted} bytes is cut short")
    stored.reverse()
    first = stored.pop()
    while len(first) < _PREFIX_BYTES:
        first += stored.pop()
    decryptor = Cipher(algorithms.AES(key), modes.CBC(first[1:_PREFIX_BYTES])).decryptor()
    # update_into asks for room that it does not use; the prefix, which has no plain text, is enough of it.
    at = decryptor.update_into(memoryview(first)[_PREFIX_BYTES:], into)
    while stored:
        at += decryptor.update_into(stored.pop(), into[at:])
    end = at - _CIPHER_BLOCK + padded_end(bytes(into[at - _CIPHER_BLOCK : at]))
    if end < at - _CIPHER_BLOCK:
        raise BadBlock("its padding is not valid: a damaged block, or another key")
    return end


def _decompress(body: memoryview, length: int, room: BytesIO) -> bytes:
    if body[:2] == GZIP_MAGIC:
        return _gunzip(body, length, room)
    if body[: len(SNAPPY_MAGIC)] == SNAPPY_MAGIC:
        return _unsnap(_pieces(body), length, room)
    return _unsnap([body], length, room)


def _gunzip(body: memoryview, length: int, room: BytesIO) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    read = 0
    while read < len(body):
        if inflater.eof:  # a gzip file may have several members
            inflater = zlib.decompressobj(wbits=31)
        piece = body[read : read + _INFLATED_PIECE_BYTES]
        try:
            room.write(inflater.decompress(piece, length - room.tell() + 1))
        except zlib.error as error:
            raise BadBlock(f"gzip: {error}") from None
        if room.tell() > length:
            raise BadBlock(f"it decompresses to more than the {length} bytes announced")
        read += len(piece) - len(inflater.unused_data)
    if not inflater.eof:
        raise BadBlock("its gzip stream is cut short")
    if room.tell() != length:
        raise BadBlock(f"it decompresses to {room.tell()} bytes, announced were {length}")
    return room.getvalue()


def _pieces(body: memoryview) -> list[memoryview]:
    """The raw snappy pieces of a snappy-java stream; streams may follow each other."""
    pieces = []
    at, end = 0, len(body)
    while at < end:
        if body[at : at + len(SNAPPY_MAGIC)] == SNAPPY_MAGIC:
            at += _SNAPPY_HEADER_BYTES
            continue
        size = int.from_bytes(body[at : at + 4], "big")
        at += 4
        if at + size > end:
            raise BadBlock("its last snappy piece is cut short")
        pieces.append(body[at : at + size])
        at += size
    if at != end:
        raise BadBlock("its snappy header is cut short")
    return pieces


def _unsnap(pieces: list[memoryview], length: int, room: BytesIO) -> bytes:
    from cramjam import DecompressionError, snappy

    at = 0
    with room.getbuffer() as view:
        for piece in pieces:
            try:
                size = snappy.decompress_raw_len(piece)
                if at + size > length:
                    raise BadBlock(f"it decompresses to more than the {length} bytes announced")
                if size:
                    at += snappy.decompress_raw_into(piece, view[at : at + size])
            except DecompressionError as error:
                raise BadBlock(str(error)) from None
    if at != length:
        raise BadBlock(f"it decompresses to {at} bytes, announced were {length}")
    return room.getvalue()
