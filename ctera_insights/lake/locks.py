"""Locks between processes on one machine. Readers take none; the kernel frees them when a process dies."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ctera_insights.errors import StoreLocked
from ctera_insights.lake.place import writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import FileLock

    from ctera_insights.lake.place import Place

_DIRECTORY = ".locks"


class Locks:
    """The locks of one store. On an object store there are none, and the fence alone decides.

    ``commit``: held while a data file appears and its log entry is written, and while strays are swept, so
    that a sweep never takes a file that is about to be committed. ``maintenance``: one compaction at a time.
    ``writer(name)``: one writer for each feed, so that a second one hears it before it has read anything.
    """

    def __init__(self, store: Place) -> None:
        self._directory = Path(store.uri) / _DIRECTORY if store.local else None

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """Wait for, and hold, the right to change which files exist."""
        if self._directory is None:
            yield
            return
        with self._lock("commit"):
            yield

    @contextlib.contextmanager
    def maintenance(self) -> Iterator[bool]:
        """Hold the right to compact, or be told ``False`` that another process does it."""
        if self._directory is None:
            yield True
            return
        from filelock import Timeout

        lock = self._lock("maintenance")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[None]:
        """Hold the right to write one stream.

        Raises:
            StoreLocked: another process holds it.
        """
        if self._directory is None:
            yield
            return
        from filelock import Timeout

        lock = self._lock("writer-" + hashlib.sha256(name.encode()).hexdigest()[:16])
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreLocked(
                f"Another process writes {name!r} into {self._directory.parent}. Stop it first, or collect "
                "into another directory."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def any_writer(self) -> bool:
        """Whether a process holds the lock of any stream at this moment."""
        from filelock import Timeout

        for path in self._directory.glob("writer-*.lock") if self._directory else ():
            try:
                with self._lock(path.stem).acquire(timeout=0):
                    continue
            except Timeout:
                return True
        return False

    def _lock(self, name: str) -> FileLock:
        from filelock import FileLock

        assert self._directory is not None
        with writing(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
        # Not a singleton and not thread-local: each use is its own lock, whatever thread releases it.
        return FileLock(self._directory / f"{name}.lock", thread_local=False)
