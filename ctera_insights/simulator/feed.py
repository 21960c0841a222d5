"""The feed: states of objects in the order they were published, listed page by page behind cursors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol
from uuid import uuid4

import msgspec
import numpy as np

from ctera_insights.simulator.cursors import (
    INVENTORY,
    LOG,
    CursorNotAccepted,
    Place,
    decode,
    encode,
    feed_tag,
)
from ctera_insights.simulator.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ctera_insights.simulator.spool import Positions

Inventory = Literal["start", "now"]
"""What a null cursor lists, see :class:`Feed`."""

_WINDOW: Final = 65_536
_EXHAUSTED: Final = object()


class Disturbance(Protocol):
    """Changes what a page says; see :class:`~ctera_insights.simulator.disturb.Disturbances`."""

    coalesce: bool

    def fit(self, positions: NDArray[np.int64], max_results: int) -> int:
        """Say how many of the states fit on one page."""

    def apply(
        self,
        positions: NDArray[np.int64],
        ordinals: NDArray[np.int32],
        entries: list[bytes],
        max_results: int,
    ) -> list[bytes]:
        """Give the entries as the page shall carry them."""


@dataclass(frozen=True, slots=True)
class _Selection:
    positions: Positions
    next: Place
    more: bool


class Feed:
    """The Notification Service's view of a Portal: an append-only log of states, listed from cursors.

    Entries are encoded once, to an unnamed file on disk, and a page is one read of it, so that tens of
    millions of states stay cheap. Any thread may call any method; :meth:`wait` belongs to an event loop.

    A null cursor lists an inventory, whose last page says ``has_more: false`` (the client is then up to date,
    and its long-poll tells of what came after):

    * ``inventory="start"``: everything published before :meth:`begin_live`, for every client alike; then the
      log. So ``has_more: false`` at the end of the inventory does not mean the end of the feed: a long-poll
      answers at once while the log goes on.
    * ``inventory="now"``: the objects alive at the request; then the log from there.

    Args:
        identity: stands for the whole content, when that is the same in every run: cursors then survive a
            restart of the process. Otherwise every feed refuses the cursors of every other.
        inventory: what a null cursor lists.
        history: publishes one or a few more states into this feed at each step; asked only when a client
            reads further than what is there.

    Example:
        >>> feed = Feed()
        >>> feed.publish({"type": "file", "guid": "a:1", "deleted": False, "name": "x", "folder_id": 16})
        0
        >>> feed.page(None, [], 2000)[-84:]
        b'"entries": [{"type":"file","guid":"a:1","deleted":false,"name":"x","folder_id":16}]}'
    """

    def __init__(
        self,
        *,
        identity: str | None = None,
        inventory: Inventory = "now",
        history: Iterator[object] | None = None,
    ) -> None:
        self.inventory: Inventory = inventory
        self.history = history
        self.cloud_folders = 0
        self._tag = feed_tag(identity or uuid4().hex)
        self._spool = Spool()
        self._live_from: int | None = None
        self._expired_before = 0
        self._history_lock = Lock()
        self._history_error: Exception | None = None
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def __len__(self) -> int:
        return len(self._spool)

    @property
    def size_bytes(self) -> int:
        """Bytes of JSON on disk."""
        return self._spool.size_bytes

    def close(self) -> None:
        """Give the disk space back; the feed cannot be read afterwards."""
        self._spool.close()

    def publish(self, entry: Mapping[str, Any]) -> int:
        """Append the new state of one object, wake the long-polls, and return its position.

        Args:
            entry: keys and values of the wire. ``guid`` ends in ``:N``, where N is the object's own number
                within the feed; numbers count up without large gaps.

        Raises:
            ValueError: when the guid carries no usable number.
        """
        return self.publish_encoded(
            msgspec.json.encode(entry),
            ordinal=int(entry["guid"].rpartition(":")[2]),
            folder_id=entry.get("folder_id"),
            deleted=bool(entry.get("deleted")),
        )

    def publish_encoded(self, raw: bytes, *, ordinal: int, folder_id: int | None, deleted: bool) -> int:
        """Append a state that is JSON already; as :meth:`publish`, which says what the arguments are."""
        position = self._spool.append(raw, ordinal=ordinal, folder=folder_id, gone=deleted)
        if self._waiters:
            self._wake()
        return position

    def begin_live(self) -> None:
        """Mark the end of the inventory: what was published so far is the state at the start."""
        self._live_from = len(self._spool)

    def hide(self, ordinal: int, *, hidden: bool = True) -> None:
        """Leave an object out of later inventories, as if it were deleted, though no state says so."""
        self._spool.hide(ordinal, hidden=hidden)

    def expire_before(self, position: int) -> None:
        """Refuse, from now on, every cursor that stands before a position of the log."""
        self._expired_before = position

    def page(
        self,
        cursor: str | None,
        folder_ids: Sequence[int],
        max_results: int,
        disturbance: Disturbance | None = None,
    ) -> bytes:
        """List one page: the body of an answer to ``metadata/list``. May block.

        Args:
            cursor: where to go on; ``None`` or ``""`` lists from the beginning.
            folder_ids: cloud folders to list; none means all.
            max_results: most entries on the page.
            disturbance: changes the content of the page.

        Raises:
            CursorNotAccepted: the cursor is damaged, expired, or of another feed or set of folders.
        """
        ids = frozenset(folder_ids)
        place = self._place(cursor, ids)
        coalesce = disturbance is not None and disturbance.coalesce
        if place is None:
            place = self._beginning()
            selection = (
                self._select_log(place, ids, max_results, coalesce=coalesce, until=self._live_from)
                if place.mode == LOG
                else self._select_inventory(place, ids, max_results)
            )
        elif place.mode == INVENTORY:
            selection = self._select_inventory(place, ids, max_results)
        else:
            until = self._inventory_end(place.position)
            selection = self._select_log(place, ids, max_results, coalesce=coalesce, until=until)
        if disturbance is None:
            body = self._spool.read(selection.positions)
        else:
            selection, body = self._disturbed(place, selection, max_results, disturbance)
        cursor = encode(selection.next, tag=self._tag, folder_ids=ids, cloud_folders=self.cloud_folders)
        head = f'{{"has_more": {"true" if selection.more else "false"}, "cursor": "{cursor}", "entries": ['
        return b"".join((head.encode("ascii"), body, b"]}"))

    def has_changes(self, cursor: str | None, folder_ids: Sequence[int] | None) -> bool:
        """Say whether anything can be listed after a cursor. May block.

        Args:
            cursor: as for :meth:`page`.
            folder_ids: as for :meth:`page`; ``None`` takes the cursor's own set.

        Raises:
            CursorNotAccepted: as :meth:`page`.
        """
        place, ids = self._place_and_folders(cursor, folder_ids)
        return self._listable(place, ids)[0]

    async def wait(self, cursor: str | None, folder_ids: Sequence[int] | None, timeout_s: float) -> bool:
        """Hold until something can be listed after a cursor (true), or the time is over (false).

        Raises:
            CursorNotAccepted: as :meth:`page`.
        """
        place, ids = await asyncio.to_thread(self._place_and_folders, cursor, folder_ids)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            published = asyncio.Event()
            waiter = (loop, published)
            self._waiters.append(waiter)
            try:
                listable, place = await asyncio.to_thread(self._listable, place, ids)
                if listable:
                    return True
                async with asyncio.timeout_at(deadline):
                    await published.wait()
            except TimeoutError:
                return False
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def ancestors(self, folder_id: int, guid: str) -> list[bytes] | None:
        """List the way to an object: the cloud folder's root, each directory, the object. May block.

        Returns:
            Each one's latest state as JSON, or ``None`` when the object is not known in that cloud folder.
        """
        chain: list[bytes] = []
        step: Any = guid
        while isinstance(step, str) and len(chain) < 10_000:
            entry = self._latest_entry(step)
            if entry is None:
                break
            raw, decoded = entry
            if not chain and decoded.get("folder_id", folder_id) != folder_id:
                return None
            chain.append(raw)
            step = decoded.get("parent_guid")
        return chain[::-1] or None

    def log(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Give the states published so far, as JSON, in the order of publication."""
        end = len(self._spool) if stop is None else min(stop, len(self._spool))
        for position in range(start, end, 2000):
            yield from self._spool.read_each(range(position, min(position + 2000, end)))

    def _place(self, cursor: str | None, ids: frozenset[int] | None) -> Place | None:
        if not cursor:
            return None
        place, _ = decode(cursor, tag=self._tag, folder_ids=ids)
        if place.position < self._expired_before:
            raise CursorNotAccepted("The cursor has expired")
        if place.position > len(self._spool):
            self._reach(place.position)
            if place.position > len(self._spool):
                raise CursorNotAccepted("The cursor is of a later time than this feed")
        return place

    def _place_and_folders(
        self, cursor: str | None, folder_ids: Sequence[int] | None
    ) -> tuple[Place, frozenset[int]]:
        ids = None if folder_ids is None else frozenset(folder_ids)
        place = self._place(cursor, ids)
        if place is None or not cursor:
            return self._beginning(), ids or frozenset()
        return place, decode(cursor, tag=self._tag, folder_ids=ids)[1]

    def _beginning(self) -> Place:
        if self.inventory == "now":
            return Place(len(self._spool), INVENTORY)
        return Place(0)

    def _inventory_end(self, position: int) -> int | None:
        """Where the inventory ends, for a place before that."""
        if self.inventory == "start" and self._live_from is not None and position < self._live_from:
            return self._live_from
        return None

    def _select_log(
        self, place: Place, ids: frozenset[int], max_results: int, *, coalesce: bool, until: int | None
    ) -> _Selection:
        if not ids and not coalesce:
            stop = place.position + max(max_results, 0)
            if until is None:
                self._reach(stop + 1)
            end = len(self._spool) if until is None else until
            stop = min(stop, end)
            return _Selection(range(place.position, stop), Place(stop), stop < end)
        found = np.empty(0, np.int64)
        scanned = place.position
        while len(found) <= max_results:
            if until is None:
                self._reach(scanned + max_results + 1)
            end = min(len(self._spool) if until is None else until, scanned + _WINDOW)
            if scanned >= end:
                return _Selection(found, Place(scanned), more=False)
            found = np.concatenate((found, self._matching(scanned, end, ids, coalesce=coalesce)))
            scanned = end
        kept = found[: max(max_results, 0)]
        after = int(kept[-1]) + 1 if len(kept) else place.position
        return _Selection(kept, Place(after), more=True)

    def _select_inventory(self, place: Place, ids: frozenset[int], max_results: int) -> _Selection:
        found = np.empty(0, np.int64)
        ordinal: int | None = place.ordinal
        while ordinal is not None and len(found) <= max_results:
            positions, ordinal = self._spool.alive(ordinal, _WINDOW, place.position)
            if ids:
                positions = positions[np.isin(self._spool.folders(positions), list(ids))]
            found = np.concatenate((found, positions))
        if len(found) <= max_results:
            return _Selection(found, Place(place.position), more=False)
        kept = found[: max(max_results, 0)]
        return _Selection(kept, self._place_at(found[len(kept) : len(kept) + 1], place), more=True)

    def _disturbed(
        self, place: Place, selection: _Selection, max_results: int, disturbance: Disturbance
    ) -> tuple[_Selection, bytes]:
        positions = np.asarray(selection.positions, np.int64)
        fitting = disturbance.fit(positions, max_results)
        if fitting < len(positions):
            following = positions[fitting : fitting + 1]
            positions = positions[:fitting]
            resume = self._place_at(following, place)
            selection = _Selection(positions, resume, more=True)
        ordinals = self._spool.ordinals(positions)
        entries = disturbance.apply(positions, ordinals, self._spool.read_each(positions), max_results)
        return selection, b",".join(entries)

    def _place_at(self, following: NDArray[np.int64], place: Place) -> Place:
        """Where the page begins whose first state is given, after a page that began at ``place``."""
        if place.mode == INVENTORY:
            return replace(place, ordinal=int(self._spool.ordinals(following)[0]))
        return Place(int(following[0]))

    def _matching(self, start: int, stop: int, ids: frozenset[int], *, coalesce: bool) -> NDArray[np.int64]:
        positions = np.arange(start, stop, dtype=np.int64)
        if ids:
            positions = positions[np.isin(self._spool.folders(range(start, stop)), list(ids))]
        if coalesce and len(positions):
            positions = positions[self._spool.is_latest(positions)]
        return positions

    def _listable(self, place: Place, ids: frozenset[int]) -> tuple[bool, Place]:
        """Say whether anything is listable, and where a later look may begin."""
        if place.mode == INVENTORY:
            if self._select_inventory(place, ids, 0).more:
                return True, place
            place = Place(place.position)
        scanned = place.position
        while True:
            self._reach(scanned + 1)
            end = min(len(self._spool), scanned + _WINDOW)
            if scanned >= end:
                return False, Place(scanned)
            if not ids or len(self._matching(scanned, end, ids, coalesce=False)):
                return True, place
            scanned = end

    def _latest_entry(self, guid: str) -> tuple[bytes, dict[str, Any]] | None:
        number = guid.rpartition(":")[2]
        position = self._spool.latest(int(number)) if number.isdecimal() else None
        if position is None:
            return None
        raw = self._spool.read(range(position, position + 1))
        decoded: dict[str, Any] = msgspec.json.decode(raw)
        return (raw, decoded) if decoded["guid"] == guid else None

    def _reach(self, length: int) -> None:
        """Ask the history for more until the log has a length, or the history ends."""
        while self.history is not None and len(self._spool) < length:
            with self._history_lock:
                if self._history_error is not None:
                    raise RuntimeError("The source of this feed has failed") from self._history_error
                try:
                    if self.history is not None and next(self.history, _EXHAUSTED) is _EXHAUSTED:
                        self.history = None
                except Exception as error:
                    self._history_error = error
                    raise

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for loop, published in waiters:
            if not loop.is_closed():
                loop.call_soon_threadsafe(published.set)
