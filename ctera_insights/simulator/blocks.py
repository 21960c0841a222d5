"""A file's content as the object store holds it: blocks, compressed and encrypted as a Portal does.

Written from the protocol, not from the reading side of this package, so that each checks the other.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Compression = Literal["snappy-stream", "snappy", "gzip", "none"]
Damage = Literal["short", "long", "corrupt", "padding"]

COMPRESSION_TYPE: dict[Compression, str] = {
    "snappy-stream": "SNAPPY",
    "snappy": "SNAPPY",
    "gzip": "GZIP",
    "none": "NONE",
}
_SNAPPY_JAVA_HEADER = bytes.fromhex("82534e4150505900 00000001 00000001")
_SNAPPY_JAVA_PIECE_BYTES = 32_768
_HEADER_BYTE = b"\x01"


@dataclass(frozen=True)
class Encoding:
    """How blocks are stored.

    Attributes:
        compression: the format inside.
        encrypted: whether AES-256-CBC is outside.
        block_size: bytes of file content in a block.
    """

    compression: Compression = "snappy-stream"
    encrypted: bool = True
    block_size: int = 262_144


@dataclass(frozen=True)
class Content:
    """What a source serves for a file, pinned to one version of it."""

    data: bytes | Path
    size: int
    version: str

    @classmethod
    def of(cls, data: bytes | Path) -> Content | None:
        """Pin the content, or ``None`` when the file is gone."""
        if isinstance(data, bytes):
            return cls(data, len(data), hashlib.sha1(data, usedforsecurity=False).hexdigest())
        try:
            stat = data.stat()
        except OSError:
            return None
        return cls(data, stat.st_size, f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}")

    def read(self, offset: int, length: int) -> bytes:
        """Read ``length`` bytes from ``offset``; fewer at the end."""
        if isinstance(self.data, bytes):
            return self.data[offset : offset + length]
        with self.data.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(length)


def file_key(seed: bytes, file_id: int, version: str) -> bytes:
    """The key of one version of a file: 32 bytes, the same in every run with the same seed."""
    return hmac.digest(seed, f"{file_id}:{version}".encode(), "sha256")


def wrap_key(key: bytes, secret_access_key: str) -> str:
    """Wrap a file key under the secret half of an access key, as the block list carries it."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    kek = b64decode(secret_access_key)[:32].ljust(32, b"\0")
    encryptor = Cipher(algorithms.AES(kek), modes.ECB()).encryptor()  # noqa: S305 - the wire's choice
    return b64encode(encryptor.update(_padded(b'"' + b64encode(key) + b'"'))).decode()


def encode_block(data: bytes, encoding: Encoding, key: bytes, damage: Damage | None = None) -> bytes:
    """Store one block, or a damaged form of it.

    Args:
        data: the file's bytes.
        encoding: how to store them.
        key: the file key.
        damage: ``short`` and ``long`` store a byte less or more than announced, ``padding`` breaks the PKCS#7
            padding (of an encrypted block), ``corrupt`` overwrites the middle of what is stored.
    """
    if damage == "short":
        data = data[:-1]
    elif damage == "long":
        data += b"\0"
    stored = _compressed(data, encoding.compression)
    if encoding.encrypted:
        stored = _encrypted(stored, key, broken_padding=damage == "padding")
    if damage == "corrupt" or (damage == "padding" and not encoding.encrypted):
        middle = len(stored) // 2
        stored = stored[:middle] + os.urandom(min(64, len(stored) - middle)) + stored[middle + 64 :]
    return stored


def _compressed(data: bytes, compression: Compression) -> bytes:
    if compression == "none":
        return data
    if compression == "gzip":
        return gzip.compress(data, compresslevel=1, mtime=0)
    from cramjam import snappy

    if compression == "snappy":
        return bytes(snappy.compress_raw(data))
    parts = [_SNAPPY_JAVA_HEADER]
    for start in range(0, len(data), _SNAPPY_JAVA_PIECE_BYTES):
        piece = bytes(snappy.compress_raw(data[start : start + _SNAPPY_JAVA_PIECE_BYTES]))
        parts += (len(piece).to_bytes(4, "big"), piece)
    return b"".join(parts)


def _encrypted(data: bytes, key: bytes, *, broken_padding: bool) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    iv = hmac.digest(key, data, "sha256")[:16]  # a pure function of the content: blocks can be cached
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    padded = _padded(data)
    if broken_padding:
        padded = padded[:-1] + b"\x11"
    return _HEADER_BYTE + iv + encryptor.update(padded)


def _padded(data: bytes) -> bytes:
    padding = 16 - len(data) % 16
    return data + bytes([padding]) * padding
