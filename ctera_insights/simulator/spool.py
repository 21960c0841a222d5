"""The spool: encoded states on disk, their offsets and a few numbers about each in memory."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from threading import RLock
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from numpy.typing import NDArray

    Positions = range | NDArray[np.int64]

_FLUSH_BYTES: Final = 16 * 1024 * 1024
_GAP: Final = 10_000_000
_SPARSE: Final = 8


class Spool:
    """Append-only states by position, and the position of each object's latest state by ordinal.

    A state costs 16 bytes of memory and its JSON on disk, in an unnamed temporary file. Thread-safe.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        # Opened for the first reader: those who only publish may be in an event loop.
        self._file: IO[bytes] | None = None
        self._pending = bytearray()
        self._flushed_bytes = 0
        self._offsets = array("q", [0])
        self._folders = array("i")
        self._ordinals = array("i")
        self._first_ordinal: int | None = None
        self._latest = array("q")
        self._gone = bytearray()

    def __len__(self) -> int:
        return len(self._folders)

    @property
    def size_bytes(self) -> int:
        """Bytes of JSON spooled so far."""
        return self._offsets[-1]

    def close(self) -> None:
        """Give the disk space back; nothing can be read afterwards."""
        with self.lock:
            if self._file is not None:
                self._file.close()

    def append(self, raw: bytes, *, ordinal: int, folder: int | None, gone: bool) -> int:
        """Append one encoded state and return its position.

        Args:
            raw: a JSON object.
            ordinal: number of the object within the feed.
            folder: uid of the cloud folder; ``None`` means the one of the object's last state.
            gone: whether the object no longer exists.
        """
        with self.lock:
            slot = self._slot(ordinal)
            if folder is None:
                before = self._latest[slot]
                folder = self._folders[before] if before >= 0 else -1
            position = len(self._folders)
            self._pending += raw
            self._pending += b","
            self._offsets.append(self._offsets[-1] + len(raw) + 1)
            self._folders.append(folder)
            self._ordinals.append(ordinal)
            self._latest[slot] = position
            self._gone[slot] = gone
            if len(self._pending) > _FLUSH_BYTES:
                self._flush()
            return position

    def hide(self, ordinal: int, *, hidden: bool) -> None:
        """Take an object out of the inventory (or back in) without a state of its own."""
        with self.lock:
            self._gone[self._slot(ordinal)] = hidden

    def read(self, positions: Positions) -> bytes:
        """Give the states at some positions, joined by commas."""
        if isinstance(positions, range):
            return self._read_run(positions.start, positions.stop)
        return b",".join(self._read_runs(_runs(positions)))

    def read_each(self, positions: NDArray[np.int64]) -> list[bytes]:
        """Give the states at some positions, one by one."""
        return list(self._read_runs([(position, position + 1) for position in positions.tolist()]))

    def _read_runs(self, runs: list[tuple[int, int]]) -> Iterator[bytes]:
        """Read runs of states: in one go where they lie close together, as those of a page mostly do."""
        if not runs:
            return
        first, last = min(start for start, _ in runs), max(stop for _, stop in runs)
        if last - first > _SPARSE * sum(stop - start for start, stop in runs):
            yield from (self._read_run(start, stop) for start, stop in runs)
            return
        whole = self._read_run(first, last)
        with self.lock:
            offsets = self._offsets[first : last + 1]
        for start, stop in runs:
            yield whole[offsets[start - first] - offsets[0] : offsets[stop - first] - offsets[0] - 1]

    def latest(self, ordinal: int) -> int | None:
        """Position of an object's latest state."""
        with self.lock:
            if self._first_ordinal is None:
                return None
            slot = ordinal - self._first_ordinal
            if not 0 <= slot < len(self._latest) or self._latest[slot] < 0:
                return None
            return self._latest[slot]

    def folders(self, positions: Positions) -> NDArray[np.int32]:
        """Cloud folder uid of each state."""
        return self._numbers(self._folders, positions)

    def ordinals(self, positions: Positions) -> NDArray[np.int32]:
        """Ordinal of the object of each state."""
        return self._numbers(self._ordinals, positions)

    def is_latest(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether no later state of the same object exists, for each state."""
        with self.lock:
            slots = self.ordinals(positions) - (self._first_ordinal or 0)
            return np.asarray(np.frombuffer(self._latest, np.int64)[slots] == positions)

    def alive(self, ordinal: int, count: int, before: int) -> tuple[NDArray[np.int64], int | None]:
        """List a window of the objects that exist and have not changed since a position.

        Args:
            ordinal: lowest ordinal of the window.
            count: size of the window, in ordinals.
            before: the position.

        Returns:
            Positions of their latest states, by ordinal, and the ordinal after the window, or ``None``.
        """
        with self.lock:
            if self._first_ordinal is None:
                return np.empty(0, np.int64), None
            start = max(ordinal - self._first_ordinal, 0)
            stop = min(start + count, len(self._latest))
            latest = np.frombuffer(self._latest, np.int64)[start:stop]
            gone = np.frombuffer(self._gone, np.uint8)[start:stop]
            positions = latest[(latest >= 0) & (latest < before) & (gone == 0)]
            return positions, (self._first_ordinal + stop if stop < len(self._latest) else None)

    def _numbers(self, numbers: array[int], positions: Positions) -> NDArray[np.int32]:
        with self.lock:  # an array cannot grow while numpy looks at it
            if isinstance(positions, range):
                return np.array(numbers[positions.start : positions.stop], np.int32)
            return np.frombuffer(numbers, np.int32)[positions] if len(positions) else np.empty(0, np.int32)

    def _slot(self, ordinal: int) -> int:
        if self._first_ordinal is None:
            self._first_ordinal = ordinal
        slot = ordinal - self._first_ordinal
        missing = slot + 1 - len(self._latest)
        if slot < 0 or missing > _GAP:
            raise ValueError(
                f"Ordinal {ordinal} is out of range: they count up from the first one published, "
                f"{self._first_ordinal}, without large gaps."
            )
        if missing > 0:
            self._latest.extend([-1] * missing)
            self._gone.extend(bytes(missing))
        return slot

    def _read_run(self, start: int, stop: int) -> bytes:
        with self.lock:
            begin, end = self._offsets[start], self._offsets[stop] - 1
            if end > self._flushed_bytes:
                self._flush()
            if self._file is None or end <= begin:
                return b""
            self._file.seek(begin)
            return self._file.read(end - begin)

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0, prefix="simulated-portal-")  # noqa: SIM115 - see close()
            weakref.finalize(self, self._file.close)
        self._file.seek(self._flushed_bytes)
        view = memoryview(self._pending)
        while view:
            written = self._file.write(view)
            self._flushed_bytes += written
            view = view[written:]
        self._pending = bytearray()


def _runs(positions: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Cut positions into runs that ascend without a gap: (start, stop)."""
    if len(positions) == 0:
        return []
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    starts = positions[np.concatenate(([0], breaks))]
    stops = positions[np.concatenate((breaks - 1, [len(positions) - 1]))] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))
