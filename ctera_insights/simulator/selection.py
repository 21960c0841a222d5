"""Chooses the states of a page: from the log, or from the objects alive at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ctera_insights.simulator.cursors import INVENTORY, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ctera_insights.simulator.spool import Positions, Spool

_WIDEST: Final = 262_144


@dataclass(frozen=True, slots=True)
class Selection:
    """The states of one page.

    Attributes:
        positions: theirs, in the order of the page.
        next: where the next page begins.
        more: whether that page has anything on it, as far as the selection goes.
    """

    positions: Positions
    next: Place
    more: bool


class Selector:
    """Chooses from a spool, by cloud folder, without looking at the states themselves.

    Args:
        spool: the states.
        reach: makes the spool reach a length, if the history has so much.
    """

    def __init__(self, spool: Spool, reach: Callable[[int], None]) -> None:
        self._spool = spool
        self._reach = reach

    def from_log(
        self,
        place: Place,
        folder_ids: frozenset[int],
        max_results: int,
        *,
        coalesce: bool = False,
        until: int | None = None,
    ) -> Selection:
        """Choose states in the order of publication.

        Args:
            place: where to begin.
            folder_ids: cloud folders; none means all.
            max_results: most states.
            coalesce: leave out a state when there is a later one of the same object.
            until: end of the log as far as this page is concerned; ``None`` is all that the history has.
        """
        if not folder_ids and not coalesce:
            stop = place.position + max_results
            end = self._end(stop + 1, until)
            stop = min(stop, end)
            return Selection(range(place.position, stop), Place(stop), more=stop < end)
        found = np.empty(0, np.int64)
        scanned = place.position
        window = 2 * max_results + 64
        while len(found) <= max_results:
            end = min(self._end(scanned + max_results + 1, until), scanned + window)
            if scanned >= end:
                return Selection(found, Place(scanned), more=False)
            found = np.concatenate((found, self._matching(scanned, end, folder_ids, coalesce=coalesce)))
            scanned, window = end, min(2 * window, _WIDEST)
        return Selection(found[:max_results], Place(int(found[max_results])), more=True)

    def from_inventory(self, place: Place, folder_ids: frozenset[int], max_results: int) -> Selection:
        """Choose the latest states of the objects alive at the place's position, by ordinal.

        What has changed since is left out: the log tells of it.
        """
        found = np.empty(0, np.int64)
        ordinal: int | None = place.ordinal
        window = 2 * max_results + 64
        while ordinal is not None and len(found) <= max_results:
            positions, ordinal = self._spool.alive(ordinal, window, place.position)
            window = min(2 * window, _WIDEST)
            if folder_ids:
                positions = positions[np.isin(self._spool.folders(positions), list(folder_ids))]
            found = np.concatenate((found, positions))
        whole = Selection(found, Place(place.position), more=False)
        return whole if len(found) <= max_results else self.cut(whole, max_results, place)

    def cut(self, selection: Selection, count: int, place: Place) -> Selection:
        """Keep the first states of a page that began at a place; the rest goes to the next page."""
        positions = np.asarray(selection.positions, np.int64)
        following = positions[count : count + 1]
        if place.mode == INVENTORY:
            after = replace(place, ordinal=int(self._spool.ordinals(following)[0]))
        else:
            after = Place(int(following[0]))
        return Selection(positions[:count], after, more=True)

    def listable(self, place: Place, folder_ids: frozenset[int]) -> tuple[bool, Place]:
        """Say whether anything follows a place, and where a later look may begin."""
        if place.mode == INVENTORY:
            if self.from_inventory(place, folder_ids, 0).more:
                return True, place
            place = Place(place.position)
        following = self.from_log(place, folder_ids, 0)
        return following.more, following.next

    def _end(self, length: int, until: int | None) -> int:
        if until is not None:
            return until
        self._reach(length)
        return len(self._spool)

    def _matching(
        self, start: int, stop: int, folder_ids: frozenset[int], *, coalesce: bool
    ) -> NDArray[np.int64]:
        positions = np.arange(start, stop, dtype=np.int64)
        if folder_ids:
            positions = positions[np.isin(self._spool.folders(range(start, stop)), list(folder_ids))]
        if coalesce:
            positions = positions[self._spool.is_latest(positions)]
        return positions
