"""What the log of a table says, read afresh from its files: asked before anything is removed."""

from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from ctera_insights.errors import StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow.fs

    from ctera_insights.lake.place import Place

MARK: Final = "mark"
"""The key, among a commit's metadata, of what tells this commit from every other one."""
_LOG: Final = "_delta_log"
_ENTRY: Final = re.compile(r"(\d{20})\.json")
_CHECKPOINT: Final = re.compile(
    r"(\d{20})\.checkpoint(\.\d{10}\.(?P<parts>\d{10})|\.[0-9a-f-]{36})?\.parquet"
)
_CHECKPOINTED: Final = {
    "add": ("path",),
    "remove": ("path", "deletionTimestamp"),
    "txn": ("appId", "version"),
    "sidecar": ("path",),
}
_AT_ONCE: Final = 16
"""Entries read at the same time from an object store."""


@dataclass
class Named:
    """The files that the newest version of a table names, and those that it says were replaced.

    Attributes:
        version: the newest.
        live: paths of the files that make up that version.
        replaced: when each replaced file was replaced, in milliseconds since 1970.
        transactions: the last number of each application.
    """

    version: int = -1
    live: set[str] = field(default_factory=set)
    replaced: dict[str, int] = field(default_factory=dict)
    transactions: dict[str, int] = field(default_factory=dict)

    def __contains__(self, path: str) -> bool:
        return path in self.live or path in self.replaced

    def take(self, action: dict[str, Any]) -> None:
        """Follow one action of the log."""
        if (add := action.get("add")) and add["path"]:
            for path in _spellings(add["path"]):
                self.replaced.pop(path, None)
                self.live.add(path)
        elif (remove := action.get("remove")) and remove["path"]:
            for path in _spellings(remove["path"]):
                self.live.discard(path)
                self.replaced[path] = remove.get("deletionTimestamp") or 0
        elif (transaction := action.get("txn")) and transaction["appId"]:
            self.transactions[transaction["appId"]] = transaction["version"]


def read_named(place: Place) -> Named:
    """Read the newest checkpoint and every entry behind it.

    Raises:
        StoreDamaged: the log has a gap, or is of a kind that is not understood here; nothing may be removed.
        OSError: the store could not be read.
    """
    filesystem = place.filesystem()
    entries, checkpoints = _listing(filesystem)
    start = max(checkpoints, default=-1)
    named = Named(start)
    for path in checkpoints.get(start, ()):
        for action in _checkpointed(filesystem, path, place):
            named.take(action)
    tail = [version for version in entries if version > start]
    if tail != list(range(start + 1, start + 1 + len(tail))) or not (tail or checkpoints):
        raise StoreDamaged(f"The log of {place.uri} has a gap behind version {start}.")
    for version, actions in zip(tail, _read(place, filesystem, tail), strict=True):
        if actions is None:
            raise StoreDamaged(f"Entry {version} of the log of {place.uri} vanished while it was read.")
        for action in actions:
            named.take(action)
        named.version = version
    return named


def has_mark(place: Place, mark: str, *, behind: int) -> bool:
    """Whether an entry behind a version is the commit with that mark.

    Raises:
        StoreDamaged: an entry cannot be understood, or some are missing.
        OSError: the store could not be read.
    """
    filesystem = place.filesystem()
    version = behind + 1
    listed = max(_listing(filesystem)[0], default=-1)
    while (actions := _entry(place, filesystem, version)) is not None or version <= listed:
        if actions is None:
            raise StoreDamaged(f"The log of {place.uri} has a gap at version {version}.")
        if any((action.get("commitInfo") or {}).get(MARK) == mark for action in actions):
            return True
        version += 1
    return False


def _spellings(path: str) -> set[str]:
    """A path as it stands in the log, and decoded, as the file system has it."""
    return {path, unquote(path)}


def _listing(filesystem: pyarrow.fs.FileSystem) -> tuple[list[int], dict[int, list[str]]]:
    """Versions with an entry, in order; and the files of each whole checkpoint."""
    from pyarrow.fs import FileSelector

    entries: list[int] = []
    parts: dict[tuple[int, int], list[str]] = defaultdict(list)
    for info in filesystem.get_file_info(FileSelector(_LOG, allow_not_found=True)):
        if found := _ENTRY.fullmatch(info.base_name):
            entries.append(int(found[1]))
        elif found := _CHECKPOINT.fullmatch(info.base_name):
            parts[int(found[1]), int(found["parts"] or 1)].append(f"{_LOG}/{info.base_name}")
    whole = {version: sorted(paths) for (version, count), paths in parts.items() if len(paths) >= count}
    return sorted(entries), whole


def _read(
    place: Place, filesystem: pyarrow.fs.FileSystem, versions: Iterable[int]
) -> Iterable[list[dict[str, Any]] | None]:
    if place.local:
        return [_entry(place, filesystem, version) for version in versions]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda version: _entry(place, filesystem, version), versions))


def _entry(place: Place, filesystem: pyarrow.fs.FileSystem, version: int) -> list[dict[str, Any]] | None:
    """The actions of one entry, or ``None`` when there is none."""
    import msgspec

    try:
        with filesystem.open_input_file(f"{_LOG}/{version:020d}.json") as file:
            content = bytes(file.read())
    except FileNotFoundError:
        return None
    try:
        actions = [msgspec.json.decode(line, type=dict[str, Any]) for line in content.splitlines() if line]
    except msgspec.DecodeError as error:
        raise StoreDamaged(f"Entry {version} of the log of {place.uri} cannot be read: {error}") from error
    if not actions:
        raise StoreDamaged(f"Entry {version} of the log of {place.uri} is empty.")
    return actions


def _checkpointed(filesystem: pyarrow.fs.FileSystem, path: str, place: Place) -> Iterable[dict[str, Any]]:
    """The actions that tell of files and transactions, from a file of a checkpoint."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with filesystem.open_input_file(path) as file:
            parquet = pq.ParquetFile(file)
            names = {name.partition(".")[0] for name in parquet.schema_arrow.names}
            wanted = [
                f"{kind}.{name}" for kind, fields in _CHECKPOINTED.items() for name in fields if kind in names
            ]
            actions: list[dict[str, Any]] = parquet.read(columns=wanted).to_pylist()
    except pa.ArrowException as error:
        raise StoreDamaged(f"{place.uri}/{path} cannot be read: {error}") from error
    if any((action.get("sidecar") or {}).get("path") for action in actions):
        raise StoreDamaged(f"{place.uri}/{path} is a kind of checkpoint that is not understood here.")
    return actions
