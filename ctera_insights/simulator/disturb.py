"""Carries out the faults of content: entries as a client did not expect them."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ctera_insights.simulator.faults import Fault

Entry = dict[str, Any]

_REQUIRED: Final = ("type", "guid", "deleted", "name")
_UNKNOWN_KEYS: Final[tuple[tuple[str, Any], ...]] = (
    ("checksum", "9f86d081884c7d65"),
    ("replica_count", 3),
    ("tags", ["legal", 7]),
    ("sync", {"state": "done", "lag": 0.25}),
    ("legal_hold", None),
    ("pinned", True),
)
_WRONG: Final[tuple[tuple[str, Any], ...]] = (
    ("size", "12345"),
    ("size", {"bytes": 1}),
    ("folder_id", "sixteen"),
    ("id", [1]),
    ("deleted", "false"),
    ("name", 42),
    ("guid", 7),
    ("portal_modified_date", "yesterday"),
    ("file_timestamp", 1_700_000_000),
    ("virtual_portal_id", 5),
)
_UNREADABLE: Final = (b"null", b"17", b'"garbage"', b"[]", b"[1,2]", b"true", b"{}", b'{"error":"internal"}')


class Disturbances:
    """The faults of content that hold for one page; see :mod:`~ctera_insights.simulator.faults`.

    Args:
        faults: faults of content.
        seed: decides, with a state's position, what happens to it.
        allow: says how many of so many occurrences of a fault may happen.
    """

    def __init__(self, faults: Sequence[Fault], *, seed: int, allow: Callable[[Fault, int], int]) -> None:
        self.coalesce = any(fault.kind == "coalesce" for fault in faults)
        self._changes = [fault for fault in faults if fault.kind in _CHANGES]
        self._fats = [fault for fault in faults if fault.kind == "fat"]
        self._duplicates = [fault for fault in faults if fault.kind == "duplicate"]
        self._reorders = [fault for fault in faults if fault.kind == "reorder"]
        self._seed = seed
        self._allow = allow

    def fit(self, positions: NDArray[np.int64], max_results: int) -> int:
        """Say how many of the states fit on one page together with their duplicates; at least one."""
        copies = np.ones(len(positions), np.int64)
        for fault in self._duplicates:
            copies += self._hit(fault, positions)
        fitting = int(np.searchsorted(np.cumsum(copies), max_results, side="right"))
        return min(len(positions), max(fitting, 1))

    def apply(
        self,
        positions: NDArray[np.int64],
        ordinals: NDArray[np.int32],
        entries: list[bytes],
        max_results: int,
    ) -> list[bytes]:
        """Give the entries as the page shall carry them.

        Args:
            positions: of the states, in the feed.
            ordinals: of their objects.
            entries: their JSON.
            max_results: most entries on the page.
        """
        for fault in self._changes:
            change = _CHANGES[fault.kind]
            for index in self._granted(fault, positions):
                lot = Random(f"{self._seed}/{fault.kind}/{positions[index]}")  # noqa: S311 - a game
                entries[index] = change(entries[index], lot)
        for fault in self._fats:
            for index in self._granted(fault, positions):
                entries[index] = _fattened(entries[index], fault.size)
        order = list(range(len(entries)))
        for fault in self._duplicates:
            order += self._granted(fault, positions)[: max_results - len(order)]
        for fault in self._reorders:
            if self._granted(fault, positions[:1]):
                order = _shuffled(order, ordinals, Random(f"{self._seed}/{positions[0]}"))  # noqa: S311
        return [entries[index] for index in order]

    def _granted(self, fault: Fault, positions: NDArray[np.int64]) -> list[int]:
        hits: list[int] = np.flatnonzero(self._hit(fault, positions)).tolist()
        return hits[: self._allow(fault, len(hits))]

    def _hit(self, fault: Fault, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        if fault.every is not None:
            return np.asarray((positions + 1) % fault.every == 0)
        return np.asarray(_uniform(crc32(f"{self._seed}/{fault.kind}".encode()), positions) < fault.rate)


def _uniform(salt: int, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each position: splitmix64 (Steele, Lea, Flood, 2014)."""
    z = positions.astype(np.uint64) + np.uint64(salt << 32)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.asarray((z >> np.uint64(11)) * 2.0**-53, np.float64)


def _shuffled(order: list[int], ordinals: NDArray[np.int32], lot: Random) -> list[int]:
    """Shuffle a page, but keep the states of each object in their order."""
    slots = order.copy()
    lot.shuffle(slots)
    by_object: dict[int, list[int]] = defaultdict(list)
    for index in sorted(order, reverse=True):
        by_object[int(ordinals[index])].append(index)
    return [by_object[int(ordinals[index])].pop() for index in slots]


def _on_object(change: Callable[[Entry, Random], None]) -> Callable[[bytes, Random], bytes]:
    """Lift a change of a decoded entry to one of its JSON; what is no object stays as it is."""

    def on_json(raw: bytes, lot: Random) -> bytes:
        entry = msgspec.json.decode(raw)
        if not isinstance(entry, dict):
            return raw
        change(entry, lot)
        return msgspec.json.encode(entry)

    return on_json


def _fattened(raw: bytes, size: int) -> bytes:
    head, brace, _ = raw.rpartition(b"}")
    return head + b',"thumbnail":"' + b"x" * size + b'"}' if brace else raw


def _unknown_key(entry: Entry, lot: Random) -> None:
    key, value = lot.choice(_UNKNOWN_KEYS)
    entry[key] = value


def _missing_key(entry: Entry, lot: Random) -> None:
    optional = [key for key in entry if key not in _REQUIRED]
    if optional:
        del entry[lot.choice(optional)]


def _missing_required(entry: Entry, lot: Random) -> None:
    entry.pop(lot.choice(_REQUIRED), None)


def _null(entry: Entry, lot: Random) -> None:
    optional = [key for key in entry if key not in _REQUIRED]
    if optional:
        entry[lot.choice(optional)] = None


def _wrong_type(entry: Entry, lot: Random) -> None:
    key, value = lot.choice(_WRONG)
    entry[key] = value


def _unknown_type(entry: Entry, lot: Random) -> None:
    entry["type"] = lot.choice(("symlink", "stub", "directory"))


def _old_name(entry: Entry, _: Random) -> None:
    if "portal_modified_date" in entry:
        entry["modified"] = entry.pop("portal_modified_date")


def _bare_tombstone(entry: Entry, _: Random) -> None:
    if entry.get("deleted") is True:
        for key in [key for key in entry if key not in _REQUIRED]:
            del entry[key]


def _unreadable(_: bytes, lot: Random) -> bytes:
    return lot.choice(_UNREADABLE)


_CHANGES: Final[dict[str, Callable[[bytes, Random], bytes]]] = {
    "unknown-key": _on_object(_unknown_key),
    "missing-key": _on_object(_missing_key),
    "missing-required": _on_object(_missing_required),
    "null": _on_object(_null),
    "wrong-type": _on_object(_wrong_type),
    "unknown-type": _on_object(_unknown_type),
    "old-name": _on_object(_old_name),
    "bare-tombstone": _on_object(_bare_tombstone),
    "unreadable": _unreadable,
}
