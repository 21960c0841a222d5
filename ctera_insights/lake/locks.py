"""Locks between processes on one machine. Readers take none; the kernel frees them when a process dies."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import StoreLocked
from ctera_insights.lake.names import MAINTENANCE, owner_of
from ctera_insights.lake.place import writing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ctera_insights.lake.place import Place

_DIRECTORY: Final = ".locks"
_PATIENCE_S: Final = 1.0
"""How long a lock may be held by one who only looks whether it is free."""


class Locks:
    """The locks of one store. On an object store there are none, and the fence alone decides.

    ``commit``: held while a data file appears and its log entry is written, and while strays are swept, so
    that a sweep never takes a file that is about to be committed. ``maintenance``: one compaction at a time.
    ``writer(name)``: one writer for each feed, so that a second one hears it before it has read anything.

    A file in the making carries its owner in its name (:mod:`ctera_insights.lake.names`): the lock that its
    writer holds. :meth:`free` tells whether that writer is gone.
    """

    def __init__(self, store: Place) -> None:
        self._directory = Path(store.uri) / _DIRECTORY if store.local else None

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """Wait for, and hold, the right to change which files exist."""
        if self._directory is None:
            yield
            return
        with self._taken("commit", forever=True):
            yield

    @contextlib.contextmanager
    def maintenance(self) -> Iterator[bool]:
        """Hold the right to compact, or be told ``False`` that another process does it."""
        if self._directory is None:
            yield True
            return
        with self._taken(MAINTENANCE) as mine:
            yield mine

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[None]:
        """Hold the right to write one stream.

        Raises:
            StoreLocked: another process holds it.
        """
        if self._directory is None:
            yield
            return
        with self._taken(_of_owner(owner_of(name)), patience_s=_PATIENCE_S) as mine:
            if not mine:
                raise StoreLocked(
                    f"Another process writes {name!r} into {self._directory.parent}. Stop it first, or "
                    "collect into another directory."
                )
            yield

    def any_writer(self) -> bool:
        """Whether a process holds the lock of any stream at this moment."""
        return not all(self._is_free(name) for name in self._writers())

    def free(self, owner: str, *, mine: Collection[str] = ()) -> bool:
        """Whether nobody holds the lock of an owner, so that what it has in the making is nobody's work.

        Args:
            owner: as a file's name tells it; of an empty one, which may be anyone, all locks are asked.
            mine: owners whose locks the caller holds itself, with nothing in the making.
        """
        if self._directory is None:
            return False
        names = {_of_owner(owner)} if owner else {*self._writers(), MAINTENANCE}
        return all(self._is_free(name) for name in names - {_of_owner(each) for each in mine})

    def _writers(self) -> list[str]:
        return [path.stem for path in self._directory.glob("writer-*.lock")] if self._directory else []

    def _is_free(self, name: str) -> bool:
        assert self._directory is not None
        if not (self._directory / f"{name}.lock").exists():  # never taken
            return True
        with self._taken(name) as mine:
            return mine

    @contextlib.contextmanager
    def _taken(self, name: str, *, patience_s: float = 0.0, forever: bool = False) -> Iterator[bool]:
        """Hold a lock, or be told ``False`` that another process holds it."""
        from filelock import FileLock, Timeout

        assert self._directory is not None
        # Not a singleton and not thread-local: each use is its own lock, whatever thread releases it.
        lock = FileLock(self._directory / f"{name}.lock", thread_local=False)
        mine = True
        with writing(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=-1 if forever else patience_s)
            except Timeout:
                mine = False
        try:
            yield mine
        finally:
            lock.release()


def _of_owner(owner: str) -> str:
    """The name of an owner's lock."""
    return owner if owner == MAINTENANCE else f"writer-{owner}"
