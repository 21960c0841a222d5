"""What operating systems do differently, in one place: nothing else here calls what one of them lacks.

Windows has no signal handlers in its event loops, cannot flush a directory or a file opened for reading,
removes no file that is open, has no ``flock``, and no times before 1970 in its C library.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

WINDOWS: Final = os.name == "nt"
BINARY: Final[int] = getattr(os, "O_BINARY", 0)
"""For :func:`os.open`: Windows translates line ends without it."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_FLUSH: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSUP})
"""What file systems say, Windows shares among them, on which a directory cannot be flushed."""


_BEAT_S: Final = 0.5


def flush(path: str | os.PathLike[str]) -> None:
    """Flush a file, or the names in a directory, to the disk.

    Where directories cannot be flushed (Windows, some network shares) the file system answers for them.

    Raises:
        OSError: the file cannot be opened or flushed.
    """
    directory = Path(path).is_dir()
    if directory and WINDOWS:
        return
    # For reading alone Windows would refuse to flush a file.
    descriptor = os.open(path, os.O_RDONLY if directory else os.O_RDWR | BINARY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not directory or error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def on_signals(handler: Callable[[int], object]) -> Iterator[None]:
    """Call a handler in the running event loop for each SIGINT and SIGTERM (on Windows: Ctrl-C, Ctrl-Break).

    Must be entered in the main thread.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    numbers = [signal.SIGINT, signal.SIGTERM]
    with contextlib.ExitStack() as stack:
        try:
            for number in numbers:
                loop.add_signal_handler(number, handler, number)
                stack.callback(loop.remove_signal_handler, number)
        except NotImplementedError:
            if (ctrl_break := getattr(signal, "SIGBREAK", None)) is not None:
                numbers.append(ctrl_break)
            for number in numbers:
                before = signal.signal(number, lambda number, _: loop.call_soon_threadsafe(handler, number))
                stack.callback(signal.signal, number, before)
            stack.callback(_beat(loop))
        yield


def _beat(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Wake a loop now and then, since Python hears a signal only when it runs; gives what ends it."""
    timers: list[asyncio.TimerHandle] = []

    def again() -> None:
        timers[:] = [loop.call_later(_BEAT_S, again)]

    def end() -> None:
        timers[0].cancel()

    again()
    return end


def lock(descriptor: int) -> bool:
    """Lock an open file against other processes, until it is closed; whether no other holds it.

    Windows keeps others out by itself: an open file cannot be replaced there.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_ours(path: Path) -> bool:
    """Whether this user made a file or directory; on Windows each has a directory for temporary files."""
    return not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()


def reader_is_gone(error: OSError) -> bool:
    """Whether writing failed because nobody reads any longer: EPIPE, or EINVAL as Windows says it."""
    return isinstance(error, BrokenPipeError) or (WINDOWS and error.errno == errno.EINVAL)


def in_use(error: OSError) -> bool:
    """Whether a file could not be removed because someone reads it, which only Windows minds."""
    return WINDOWS and isinstance(error, PermissionError)


def from_seconds(seconds: float, zone: tzinfo = UTC) -> datetime:
    """A time from the seconds since 1970, which may be negative: the C library of Windows knows none before.

    >>> from_seconds(-11644473600).year
    1601
    """
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)
