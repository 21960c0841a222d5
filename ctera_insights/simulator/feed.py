"""The feed: states of objects in the order they were published, listed page by page behind cursors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, Protocol
from uuid import uuid4

import msgspec
import numpy as np

from ctera_insights.simulator.cursors import INVENTORY, CursorNotAccepted, Place, decode, encode, feed_tag
from ctera_insights.simulator.history import History
from ctera_insights.simulator.selection import Selector
from ctera_insights.simulator.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ctera_insights.simulator.selection import Selection

Inventory = Literal["start", "now"]
"""What a null cursor lists, see :class:`Feed`."""


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
        self.cloud_folders = 0
        self._tag = feed_tag(identity or uuid4().hex)
        self._spool = Spool()
        self._selector = Selector(self._spool, self._reach)
        self._history = None if history is None else History(history)
        self._live_from: int | None = None
        self._expired_before = 0
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

    def continue_with(self, history: History | None) -> None:
        """Let a history publish more, as far as clients read; ``None`` ends it here."""
        self._history = history

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
        until = self._live_from if place is None else self._inventory_end(place)
        place = place or self._beginning()
        if place.mode == INVENTORY:
            selection = self._selector.from_inventory(place, ids, max_results)
        else:
            coalesce = disturbance is not None and disturbance.coalesce
            selection = self._selector.from_log(place, ids, max_results, coalesce=coalesce, until=until)
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
        return self._selector.listable(place, ids)[0]

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
                listable, place = await asyncio.to_thread(self._selector.listable, place, ids)
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
            yield from self._spool.read_each(np.arange(position, min(position + 2000, end)))

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

    def _inventory_end(self, place: Place) -> int | None:
        """Where the inventory ends, for a place within it."""
        if self.inventory == "start" and self._live_from is not None and place.position < self._live_from:
            return self._live_from
        return None

    def _disturbed(
        self, place: Place, selection: Selection, max_results: int, disturbance: Disturbance
    ) -> tuple[Selection, bytes]:
        positions = np.asarray(selection.positions, np.int64)
        fitting = disturbance.fit(positions, max_results)
        if fitting < len(positions):
            selection = self._selector.cut(selection, fitting, place)
            positions = positions[:fitting]
        ordinals = self._spool.ordinals(positions)
        entries = disturbance.apply(positions, ordinals, self._spool.read_each(positions), max_results)
        return selection, b",".join(entries)

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
        while self._history is not None and not self._history.ended and len(self._spool) < length:
            self._history.step()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for loop, published in waiters:
            if not loop.is_closed():
                loop.call_soon_threadsafe(published.set)
