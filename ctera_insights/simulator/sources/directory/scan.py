"""What a directory holds at this moment."""

from __future__ import annotations

import logging
import os
import stat
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

FILE: Final = "file"
FOLDER: Final = "folder"
LINK: Final = "link"

_log = logging.getLogger(__name__)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US: Final = -62_135_596_800_000_000
_LAST_US: Final = 253_402_300_799_999_999


class Look(NamedTuple):
    """A file, a folder or a symbolic link as it is found.

    Attributes:
        kind: ``FILE``, ``FOLDER`` or ``LINK``.
        identity: device and inode as one number: the same for one object under every name.
        size: bytes; for a link the length of its target.
        mtime_ns: last change of the content.
        ctime_ns: last change of anything, the name included on most file systems.
    """

    kind: str
    identity: int
    size: int
    mtime_ns: int
    ctime_ns: int


def look(path: str) -> Look | None:
    """Look at one path without following a link; ``None`` when it is gone, or is no file, folder or link."""
    try:
        return _as_look(os.lstat(path))
    except OSError:
        return None


def listing(path: str) -> dict[str, Look] | None:
    """Look at everything in a directory, by name; ``None`` when it is gone or may not be read.

    What vanishes during the look is left out, as are sockets, pipes and devices.
    """
    found: dict[str, Look] = {}
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    seen = _as_look(entry.stat(follow_symlinks=False))
                except OSError:
                    continue
                if seen is not None:
                    found[entry.name] = seen
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _log.warning("Cannot read %s: %s. What is in it is not shown.", path, error.strerror)
        return None
    return found


def moment(ns: int) -> datetime:
    """Give a time of the file system as UTC, at the nearest that a calendar has."""
    return _EPOCH + timedelta(microseconds=min(max(ns // 1000, _FIRST_US), _LAST_US))


def _as_look(found: os.stat_result) -> Look | None:
    mode = found.st_mode
    if stat.S_ISREG(mode):
        kind = FILE
    elif stat.S_ISDIR(mode):
        kind = FOLDER
    elif stat.S_ISLNK(mode):
        kind = LINK
    else:
        return None
    return Look(
        kind,
        found.st_dev << 64 | found.st_ino,
        0 if kind == FOLDER else found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
