"""A file's checksum, kept in its own name, so that it outlives every log: ``part-1f0c….9a3b77e1.parquet``.

The checksums of Parquet's pages leave out what stands between them (page headers, the footer with its
statistics); this one covers each byte. It is CRC-32, which finds every single flipped bit, and every burst of
up to 32 of them. Files that earlier versions wrote have none.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

_SUFFIX: Final = ".parquet"
_NAMED: Final = re.compile(r"\.([0-9a-f]{8})\.parquet$")


def checksum(content: bytes | memoryview) -> str:
    """The CRC-32 of some bytes, as eight hexadecimal digits.

    >>> checksum(b"123456789")
    'cbf43926'
    """
    return f"{zlib.crc32(content):08x}"


def with_checksum(path: str, content: bytes | memoryview) -> str:
    """The path of a Parquet file, with the checksum of its content in the name.

    >>> with_checksum("day=1/part-1.parquet", b"123456789")
    'day=1/part-1.cbf43926.parquet'
    """
    return f"{path.removesuffix(_SUFFIX)}.{checksum(content)}{_SUFFIX}"


def named_checksum(path: str) -> str | None:
    """The checksum that a file's name tells, or ``None`` when it tells none.

    >>> named_checksum("day=1/part-1.cbf43926.parquet")
    'cbf43926'
    >>> named_checksum("day=1/part-1.parquet") is None
    True
    """
    found = _NAMED.search(path)
    return found[1] if found else None
