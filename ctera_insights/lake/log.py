"""The Delta log as files: its entries read one by one, each held against the seal in its own metadata.

The Delta library finds a gap, a torn line or a missing checkpoint by itself when it opens a table. It
takes an empty entry, one that was cut between two lines, or one with a flipped bit inside a value as what
they seem. The seal finds these: a CRC-32 over what the entry does, written with it.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deltalake.transaction import AddAction

    from ctera_insights.lake.place import Place
    from ctera_insights.lake.snapshot import DataFile

LOG: Final = "_delta_log"
SEAL: Final = "seal"
"""The key of an entry's metadata under which its seal stands."""
_ENTRY: Final = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT: Final = re.compile(r"^(\d{20})\.checkpoint.*\.parquet$")
_LIBRARY: Final = frozenset(
    (
        *("timestamp", "operation", "operationParameters", "operationMetrics", "engineInfo", "clientVersion"),
        *("readVersion", "isolationLevel", "isBlindAppend", "inCommitTimestamp", "txnId"),
    )
)
"""Keys of ``commitInfo`` that the library writes."""


@dataclass
class Entry:
    """One entry of a log.

    Attributes:
        version: its number.
        metadata: what the writer said beside it; of the library's own keys, none.
        adds: files that it names, as the log's ``add`` actions.
        removes: files that it un-names, likewise.
        transactions: (application, number).
        trouble: why it cannot be relied on, or an empty string.
        sealed: whether it carries a seal.
        digest: a checksum of its bytes. No two are the same, for each carries a mark of its own, but for the
            creation of a table, which the library repeats when its answer is lost.
    """

    version: int
    metadata: dict[str, Any] = field(default_factory=dict)
    adds: list[dict[str, Any]] = field(default_factory=list)
    removes: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[tuple[str, int]] = field(default_factory=list)
    trouble: str = ""
    sealed: bool = False
    digest: int = 0


def seal(
    metadata: Mapping[str, Any],
    adds: Iterable[Mapping[str, Any]],
    removes: Iterable[str],
    transactions: Iterable[tuple[str, int]],
) -> str:
    """The checksum of what an entry does.

    Args:
        metadata: the writer's own, without a seal.
        adds: each file's ``path``, ``size``, ``partitionValues`` and ``stats`` (as text).
        removes: paths.
        transactions: (application, number).
    """
    told = json.dumps(
        [
            dict(metadata),
            sorted(
                [add["path"], add["size"], add["partitionValues"], json.loads(add["stats"] or "null")]
                for add in adds
            ),
            sorted(removes),
            sorted(transactions),
        ],
        sort_keys=True,
        ensure_ascii=True,
    )
    return f"{zlib.crc32(told.encode()):08x}"


def sealed(
    metadata: Mapping[str, str],
    adds: Sequence[AddAction],
    removes: Sequence[DataFile],
    transactions: Mapping[str, int],
) -> dict[str, str]:
    """The metadata of a commit, with its seal."""
    told = [
        {
            "path": add.path,
            "size": add.size,
            "partitionValues": dict(add.partition_values),
            "stats": add.stats,
        }
        for add in adds
    ]
    own = seal(metadata, told, [file.path for file in removes], transactions.items())
    return {**metadata, SEAL: own}


def listing(place: Place, log: str = LOG) -> tuple[dict[int, int], list[int]]:
    """The entries of a log, with their sizes in bytes, and the versions of its checkpoints."""
    from pyarrow.fs import FileSelector

    entries: dict[int, int] = {}
    checkpoints: set[int] = set()
    try:
        infos = place.filesystem().get_file_info(FileSelector(log, allow_not_found=True))
    except NotADirectoryError:  # something else lies in its place
        infos = []
    for info in infos:
        if found := _ENTRY.match(info.base_name):
            entries[int(found[1])] = info.size
        elif found := _CHECKPOINT.match(info.base_name):
            checkpoints.add(int(found[1]))
    return dict(sorted(entries.items())), sorted(checkpoints)


def read_entries(place: Place, versions: Iterable[int], log: str = LOG) -> list[Entry]:
    """Some entries; one that is gone meanwhile is left out."""
    filesystem = place.filesystem()
    found = []
    for version in versions:
        try:
            with filesystem.open_input_file(f"{log}/{version:020d}.json") as source:
                found.append(parse(version, bytes(source.read())))
        except FileNotFoundError:
            continue
    return found


def beheaded(place: Place) -> int | None:
    """The version that only a checkpoint tells of any more, behind which nothing can be committed."""
    from pyarrow.fs import FileType

    entries, checkpoints = listing(place)
    last = max(checkpoints, default=-1)
    if last <= max(entries, default=-1):
        return None
    # The entry may have been written while the directory was listed.
    entry = place.filesystem().get_file_info(f"{LOG}/{last:020d}.json")
    return last if entry.type == FileType.NotFound else None


def newest(place: Place, count: int) -> list[Entry]:
    """The last entries of a log."""
    return read_entries(place, list(listing(place)[0])[-count:])


def parse(version: int, content: bytes) -> Entry:
    """An entry from its bytes; what is wrong with it stands in ``trouble``."""
    entry = Entry(version, digest=zlib.crc32(content))
    if not content.strip():
        entry.trouble = "is empty"
        return entry
    told = False
    try:
        for line in content.splitlines():  # as text, it would end at any of Unicode's line separators
            action = json.loads(line)
            if info := action.get("commitInfo"):
                told = True
                entry.metadata = {key: value for key, value in info.items() if key not in _LIBRARY}
            elif add := action.get("add"):
                entry.adds.append(add)
            elif remove := action.get("remove"):
                entry.removes.append(remove)
            elif txn := action.get("txn"):
                entry.transactions.append((txn["appId"], txn["version"]))
        own = entry.metadata.pop(SEAL, None)
        entry.sealed = own is not None
        if entry.sealed and own != seal(
            entry.metadata, entry.adds, [remove["path"] for remove in entry.removes], entry.transactions
        ):
            entry.trouble = "is not what was written (checksum)"
        elif not told:
            entry.trouble = "is cut: it does not tell who wrote it"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        entry.trouble = "cannot be read"
    return entry


def troubles(entries: Sequence[Entry]) -> list[tuple[int, str]]:
    """What is wrong with entries that follow one another: (version, what)."""
    found = []
    sealed = False
    versions: dict[int, int] = {}
    for entry in entries:
        same = versions.setdefault(entry.digest, entry.version)
        if entry.trouble:
            found.append((entry.version, entry.trouble))
        elif same != entry.version and (sealed or entry.sealed):
            found.append((entry.version, f"is the same as entry {same}: one of them is a copy"))
        elif sealed and entry.transactions and not entry.sealed:
            found.append((entry.version, "lacks the checksum that the entries before it have"))
        sealed = sealed or entry.sealed
    return found
