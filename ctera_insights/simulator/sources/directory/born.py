"""When a file was born: tells a renamed file from a new one that was given a deleted one's number."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_FDCWD: Final = -100
_AT_SYMLINK_NOFOLLOW: Final = 0x100
_STATX_BTIME: Final = 0x800


class _Time(ctypes.Structure):
    _fields_: ClassVar = [("sec", ctypes.c_int64), ("nsec", ctypes.c_uint32), ("reserved", ctypes.c_int32)]


class _Statx(ctypes.Structure):
    """The head of Linux's ``struct statx`` (linux/stat.h), which is 256 bytes long."""

    _fields_: ClassVar = [
        ("mask", ctypes.c_uint32),
        ("before_times", ctypes.c_uint8 * 60),
        ("atime", _Time),
        ("btime", _Time),
        ("after_times", ctypes.c_uint8 * 160),
    ]


def born_ns(path: str) -> int | None:
    """Give the time at which a file was made, in nanoseconds since 1970, or ``None`` where nobody knows.

    Python has it on Windows, macOS and the BSDs; on Linux the system call ``statx`` is asked.
    """
    statx = _statx()
    if statx is not None:
        found = _Statx()
        where = os.fsencode(path)
        failed = statx(_AT_FDCWD, where, _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, ctypes.byref(found))
        if failed or not found.mask & _STATX_BTIME:
            return None
        return int(found.btime.sec) * 1_000_000_000 + int(found.btime.nsec)
    try:
        result: Any = os.lstat(path)
    except OSError:
        return None
    seconds = getattr(result, "st_birthtime", None)
    return None if seconds is None else int(getattr(result, "st_birthtime_ns", seconds * 1e9))


@cache
def _statx() -> Callable[..., int] | None:
    return None if os.name != "posix" else getattr(ctypes.CDLL(None), "statx", None)
