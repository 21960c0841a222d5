"""The cursor: a place in the feed, in the shape that a real Portal gives it.

A real one is base64 of ``{"cursor": "…", "folderIds": [20,15], "resetFolderIds": []}``. The text inside is
JSON again, ``{"cloudFoldersCursor": 4, "filesCursor": "…"}``, and its ``filesCursor`` is base64 of
``115=2:13652;20=2:0;``. Clients must not look inside.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec

LOG: Final = 2
"""Mode of a cursor that stands in the log."""
INVENTORY: Final = 1
"""Mode of a cursor that stands in a listing of the objects alive at one moment."""

_FILES = re.compile(r"(\d+)=([12]):(\d+);(?:(\d+)=0:(\d+);)?")


class CursorNotAccepted(ValueError):
    """The cursor is damaged, expired, or of another feed or set of cloud folders."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next page begins.

    Attributes:
        position: next position of the log; during an inventory, where the log goes on after it.
        mode: ``LOG`` or ``INVENTORY``.
        ordinal: during an inventory, the lowest ordinal not yet listed.
    """

    position: int
    mode: int = LOG
    ordinal: int = 0


def feed_tag(identity: str) -> int:
    """A number that stands for a feed in its cursors."""
    return zlib.crc32(identity.encode())


def encode(place: Place, *, tag: int, folder_ids: frozenset[int], cloud_folders: int) -> str:
    """Write a cursor: a plain ASCII string without quotes or backslashes."""
    files = f"{tag}={place.mode}:{place.position};"
    if place.mode == INVENTORY:
        files += f"{tag}=0:{place.ordinal};"
    inner = {"cloudFoldersCursor": cloud_folders, "filesCursor": _b64(files.encode())}
    outer = {
        "cursor": msgspec.json.encode(inner).decode(),
        "folderIds": sorted(folder_ids, reverse=True),
        "resetFolderIds": [],
    }
    return _b64(msgspec.json.encode(outer))


def decode(cursor: str, *, tag: int, folder_ids: frozenset[int] | None) -> tuple[Place, frozenset[int]]:
    """Read a cursor back, with the set of cloud folders that it was made for.

    Args:
        cursor: what a client sent.
        tag: the feed's :func:`feed_tag`.
        folder_ids: the set of cloud folders of the request; ``None`` takes the cursor's own.

    Raises:
        CursorNotAccepted: with a sentence that says why.
    """
    try:
        outer: dict[str, Any] = msgspec.json.decode(base64.b64decode(cursor, validate=True))
        inner: dict[str, Any] = msgspec.json.decode(outer["cursor"])
        own = frozenset(int(uid) for uid in outer["folderIds"])
        match = _FILES.fullmatch(base64.b64decode(inner["filesCursor"], validate=True).decode())
    except (binascii.Error, msgspec.DecodeError, ValueError, TypeError, KeyError) as error:
        raise CursorNotAccepted("The cursor cannot be read") from error
    if match is None:
        raise CursorNotAccepted("The cursor cannot be read")
    made_by, mode, position, _, ordinal = match.groups()
    if int(made_by) != tag:
        raise CursorNotAccepted("The cursor belongs to another feed")
    if folder_ids is not None and own != folder_ids:
        raise CursorNotAccepted("The cursor belongs to another set of cloud folders")
    return Place(int(position), int(mode), int(ordinal or 0)), own


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
