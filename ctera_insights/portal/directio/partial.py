"""The beginning of a file beside its target: what is kept of it, and how it is known to be good."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import UsageError
from ctera_insights.platforms import BINARY, WINDOWS, flush, lock

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIX: Final = ".part"
_READ_BYTES: Final = 1 << 20
_NAME_BYTES: Final = 255


class Partial:
    """A file that grows under a temporary name; blocking, for use in a thread.

    ``.NAME.part`` holds the bytes. ``.NAME.part.json`` says how many of them are safely on disk, their
    CRC-32, and the identity of the content they are the beginning of. A lock keeps a second writer out.
    """

    def __init__(self, target: Path, identity: str) -> None:
        self._target = target
        self._identity = identity
        self._file = -1
        self.size = 0
        """Bytes written so far."""
        self._crc = 0

    def open(self, *, keep: bool) -> None:
        """Take the place beside the target, with what is there if it is still good.

        Args:
            keep: whether to continue what is there. What belongs to another identity is dropped.

        Raises:
            UsageError: another writer is at it.
            OSError: the directory cannot be written.
        """
        self._file = _open_locked(_beside(self._target))
        if keep:
            self._take_over()
        os.ftruncate(self._file, self.size)
        os.lseek(self._file, self.size, os.SEEK_SET)

    def append(self, data: bytes) -> None:
        """Write bytes at the end."""
        _write(self._file, data)
        self.size += len(data)
        self._crc = zlib.crc32(data, self._crc)

    def save(self) -> None:
        """Make what was written so far survive a crash, and say so beside it."""
        os.fsync(self._file)
        note = _note(self._target)
        fresh = note.with_name(f"{note.name}.new")
        text = json.dumps({"identity": self._identity, "bytes": self.size, "crc32": self._crc})
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(note)

    def publish(self) -> None:
        """Make the content durable under its final name."""
        os.fsync(self._file)
        if WINDOWS:  # an open file cannot be renamed there, nor removed
            self._close()
        try:
            _beside(self._target).replace(self._target)
        except OSError:
            if not self._lies_at(self._target):  # a network file system may do it and say that it did not
                raise
        self._close()
        _note(self._target).unlink(missing_ok=True)
        flush(self._target.parent)

    def abandon(self, *, keep: bool) -> None:
        """Stop writing; leave the beginning for the next time, or leave nothing."""
        if self._file < 0:  # never taken, or published
            return
        try:
            if not self._lies_at(_beside(self._target)):  # the name belongs to another writer by now
                return
            if keep and self.size:
                self.save()
            else:
                if WINDOWS:
                    self._close()
                _beside(self._target).unlink(missing_ok=True)
                _note(self._target).unlink(missing_ok=True)
        finally:
            self._close()

    def _lies_at(self, path: Path) -> bool:
        """Whether the file that is written here is the one at a path."""
        try:
            return self._file >= 0 and os.path.samestat(path.stat(), os.fstat(self._file))
        except OSError:
            return False

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    @staticmethod
    def write_whole(target: Path, parts: list[bytes]) -> None:
        """Write a small file in one go: temporary name, flush, rename, flush of the directory."""
        partial = Partial(target, "")
        try:
            partial.open(keep=False)
            partial.append(b"".join(parts))
            partial.publish()
        except BaseException:
            partial.abandon(keep=False)
            raise

    def _take_over(self) -> None:
        """Continue what is kept, if it is the same content and reads back as it was written."""
        try:
            note = json.loads(_note(self._target).read_text(encoding="utf-8"))
            identity, size, crc = note["identity"], int(note["bytes"]), int(note["crc32"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return
        if identity != self._identity or size < 0 or os.fstat(self._file).st_size < size:
            return
        found, left = 0, size
        while left:
            data = os.read(self._file, min(left, _READ_BYTES))
            if not data:
                return
            found = zlib.crc32(data, found)
            left -= len(data)
        if found == crc:
            self.size, self._crc = size, crc


def _beside(target: Path) -> Path:
    name = target.name
    room = _NAME_BYTES - len(f".{_SUFFIX}.json.new")
    if len(os.fsencode(name)) > room:  # two names that begin alike are two files
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
        while len(os.fsencode(name)) > room - len(digest) - 1:
            name = name[:-1]
        name = f"{name}~{digest}"
    return target.with_name(f".{name}{_SUFFIX}")


def _note(target: Path) -> Path:
    beside = _beside(target)
    return beside.with_name(f"{beside.name}.json")


def _open_locked(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o666)
        try:
            _lock(file, path)
            with suppress(FileNotFoundError):
                if WINDOWS or os.path.samestat(path.stat(), os.fstat(file)):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # the other writer finished between our open and our lock: this is its finished file


def _lock(file: int, path: Path) -> None:
    if not lock(file):
        raise UsageError(f"Another download writes {str(path)!r}; wait for it to end.")


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
