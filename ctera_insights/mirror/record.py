"""What a mirror holds already, noted at its top: one JSON line per file, the last line of a path holds."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ctera_insights.mirror.names import RECORD_NAME

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from ctera_insights.mirror.select import RemoteFile


class Held(NamedTuple):
    """A mirrored file: what was remote then, and what was local right after."""

    file_id: int | None
    stamp: str
    size: int
    mtime_ns: int


class Record:
    """The notes of one mirror. Blocking; used by one thread at a time."""

    def __init__(self, top: Path) -> None:
        self._path = top / RECORD_NAME
        self._held: dict[str, Held] = {}
        self._lines = 0
        self._file: TextIO | None = None

    def open(self) -> None:
        """Read the notes. A line that is cut short or damaged is as if it had not been written."""
        with suppress(FileNotFoundError), self._path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                self._lines += 1
                try:
                    path, *rest = json.loads(line)
                    self._held[path] = Held(*rest)
                except (ValueError, TypeError, RecursionError):
                    continue
        self._file = self._path.open("a", encoding="utf-8")
        self._file.write("\n")  # ends a line that was cut short

    def holds(self, local: str, target: Path, remote: RemoteFile) -> bool:
        """Whether a file is there as it was mirrored, and is still the same version on the Portal."""
        held = self._held.get(local)
        if held is None or (held.file_id, held.stamp) != (remote.file_id, remote.stamp):
            return False
        try:
            found = target.stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (held.size, held.mtime_ns)

    def note(self, local: str, target: Path, remote: RemoteFile) -> None:
        """Note a file that was just mirrored."""
        found = target.stat()
        held = Held(remote.file_id, remote.stamp, found.st_size, found.st_mtime_ns)
        self._held[local] = held
        self._write(self._file, local, held)
        self._lines += 1

    def close(self) -> None:
        """Finish, and write the notes anew when most lines no longer hold."""
        if self._file is None:
            return
        self._file.close()
        self._file = None
        if self._lines > 2 * len(self._held) + 1000:
            fresh = self._path.with_name(f"{RECORD_NAME}.new")
            with fresh.open("w", encoding="utf-8") as file:
                for local, held in self._held.items():
                    self._write(file, local, held)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)

    @staticmethod
    def _write(file: Any, local: str, held: Held) -> None:
        file.write(json.dumps([local, *held]) + "\n")
