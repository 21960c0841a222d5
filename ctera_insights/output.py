"""Files that a person asked for: refused before the work where they cannot be, never left half written."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ctera_insights.errors import OutputUnwritable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROBE = b"\0" * 4096


def writable(path: str | os.PathLike[str]) -> Path:
    """The path of a file that can be written, as it seems now: call it before what takes an hour.

    Raises:
        UsageError: its directory does not exist, or it is a directory itself.
        OutputUnwritable: no permission, or no space.
    """
    target = Path(path)
    with _telling(target):
        if target.is_dir():
            raise UsageError(f"{target} is a directory: name a file in it.")
        if not target.parent.is_dir():
            raise UsageError(
                f"There is no directory {target.parent} to write {target.name} into: create it first."
            )
        if _is_device(target):
            if not stat.S_ISFIFO(target.stat().st_mode):
                with target.open("wb", buffering=0) as device:
                    if not device.isatty():
                        device.write(_PROBE[:1])
            return target
        with _staged(target) as staged, staged.open("wb") as probe:
            probe.write(_PROBE)
    return target


@contextlib.contextmanager
def output(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Where to write a file, which takes its name when the block ends: whole, or not at all.

    Raises:
        UsageError, OutputUnwritable: as :func:`writable`, or while it is written.
    """
    target = writable(path)
    with _telling(target):
        if _is_device(target):
            yield target
            return
        with _staged(target) as staged:
            yield staged
            final = Path(os.path.realpath(target))
            if final.exists():
                shutil.copymode(final, staged)
            staged.replace(final)


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file()


@contextlib.contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A file of our own beside the target; gone at the end unless it was renamed."""
    final = Path(os.path.realpath(target))
    staged = final.parent / f".ctera-insights-{os.getpid()}-{os.urandom(3).hex()}{final.suffix[:8]}"
    try:
        staged.touch(exist_ok=False)
        yield staged
    finally:
        staged.unlink(missing_ok=True)


@contextlib.contextmanager
def _telling(target: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}
        remedy = "Free some space, or choose another place" if full else "Choose another place"
        raise OutputUnwritable(f"Cannot write {target}: {reason}. {remedy}.") from None
