"""Whether a feed goes in circles although no two pages are equal: it tells of the same objects for ever.

A Portal tells the latest state of what changed, so that one drain tells of an object a few times at most. A
feed whose pages differ in one stamp, in their order or in one entry, and tell of nothing but objects that it
told of before, page after page with more to come each time, makes no progress. It is asked ever more slowly,
and after a while no more. What came is kept: each page may hold a state that is new.

Of the pages, one in a few is looked at, by a sketch: the least of some hashes of the guids in it. Pages about
the same objects have equal sketches; a page about others, or a busy file among others, hardly ever has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from zlib import crc32

from ctera_insights.errors import FeedStuck

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKED_AT: Final = 16
"""One page in so many is looked at, until there is a suspicion."""
TOLERATED: Final = 8
"""Looks in a row that saw nothing but objects told of before, and still pass without a pause."""
LOOKS: Final = 128
"""So many in a row are refused: after pauses of about ten minutes in all."""
_FIRST_S: Final = 0.1
_CAP_S: Final = 5.0
_REMEMBERED: Final = 65_536
_SALTS: Final = (0, 0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35)
_GUID: Final = re.compile(rb'"guid"\s*:\s*"((?:[^"\\]|\\.)*)"')


def guids_of(body: bytes) -> list[bytes]:
    """The guids in a page as it came over the wire: cheap, and enough for a suspicion."""
    return _GUID.findall(body)


class Circling:
    """Watches the objects that the pages of one drain tell of.

    Attributes:
        looks: in a row, up to now, that saw no object but those told of before.
    """

    def __init__(self) -> None:
        self.looks = 0
        self._begin()

    def _begin(self) -> None:
        self._pages = 0
        self._seen: tuple[set[int], ...] = tuple(set() for _ in _SALTS)
        self.looks = 0

    @property
    def suspicious(self) -> bool:
        """Whether more pages in a row tell of the same objects than a busy office explains."""
        return self.looks > TOLERATED

    def look(self, page: bytes | Sequence[bytes], *, more: bool) -> float:
        """Take note of the next page.

        Args:
            page: as it came over the wire, or the guids in it.
            more: whether the Portal says that there is more: only then it is the same drain.

        Returns:
            How long to wait before the next request, seconds.

        Raises:
            FeedStuck: the Portal has told of the same objects for too long.
        """
        if not more:
            self._begin()
            return 0.0
        self._pages += 1
        if self._pages % LOOKED_AT != 1 and not self.suspicious:
            return 0.0
        self.looks = self.looks + 1 if self._is_old(page) else 0
        if self.looks >= LOOKS:
            raise FeedStuck(
                f"The Portal goes in circles: {self._pages:,} pages, with more to come each time, and the "
                "last of them tell of no object that was not told of before. What came is kept, and the next "
                "run goes on from where this one got to. The Portal's administrator can tell more."
            )
        return min(_FIRST_S * 2.0 ** (self.looks - TOLERATED - 1), _CAP_S) if self.suspicious else 0.0

    def _is_old(self, page: bytes | Sequence[bytes]) -> bool:
        guids = guids_of(page) if isinstance(page, bytes) else page
        if not guids:
            return False
        old = True
        for salt, seen in zip(_SALTS, self._seen, strict=True):
            least = min(crc32(guid, salt) for guid in guids)
            old &= least in seen
            if len(seen) >= _REMEMBERED:
                seen.clear()
            seen.add(least)
        return old

    @property
    def words(self) -> str:
        """What to tell a person; an empty string while all is well."""
        if not self.suspicious:
            return ""
        return "The Portal says that there is more, and tells of nothing but objects that it told of before."
