"""Whether a feed gets on: a Portal that serves what it served before, or nothing, is known by the content.

Equal pages are no fault by themselves: two states may be equal, and delivery may repeat. What tells a loop is
that nothing new comes in between, whatever the cursors say. Such a feed is asked ever more slowly, and then
no more. Nothing is thrown away on suspicion: the same cursor brings the same pages another time.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import FeedStuck
from ctera_insights.portal.circling import Circling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOLERATED: Final = 3
"""Pages in a row that were served before, and still pass without a pause."""
REPEATS: Final = 12
"""So many in a row are refused: after pauses of about two minutes in all."""
EMPTY_PAGES: Final = 120
"""Empty pages in a row that announce more and are still asked for: with the pauses, about ten minutes."""
_SAID_AFTER: Final = 4
_REPEAT_CAP_S: Final = 30.0
_EMPTY_FIRST_S: Final = 0.1
_EMPTY_CAP_S: Final = 5.0
_REMEMBERED: Final = 65_536
_END_BYTES: Final = 8192


def content_key(*ends: bytes | memoryview, size: int) -> str:
    """A short name of a page's content, made of its size and both ends: cheap, and enough for a suspicion."""
    digest = hashlib.blake2b(digest_size=16)
    for end in ends:
        digest.update(end)
    return f"{size}:{digest.hexdigest()}"


def key_of(entries: bytes | memoryview) -> str:
    """The :func:`content_key` of a list of entries as it came over the wire."""
    return content_key(entries[:_END_BYTES], entries[-_END_BYTES:], size=len(entries))


class Standstill:
    """Watches the pages of one feed.

    Args:
        known: keys of pages that an earlier run found to come for ever; the first of them is a repetition.

    Attributes:
        repeats: pages in a row, up to now, that were all served before.
        empties: empty pages in a row, up to now.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict.fromkeys(known)
        self._circling = Circling()
        self.repeats = TOLERATED if self._seen else 0
        self.empties = 0

    @property
    def suspicious(self) -> bool:
        """Whether more pages repeat than chance explains."""
        return self.repeats > TOLERATED

    def look(
        self,
        key: str | None,
        *,
        more: bool,
        moved: bool = True,
        objects: bytes | Sequence[bytes] = b"",
    ) -> float:
        """Take note of the next page.

        Args:
            key: its :func:`key_of`; ``None`` for a page without entries.
            more: whether the Portal says that there is more.
            moved: whether its cursor is another than it was asked for with. One that stays, with more to
                come, brings the same entries again, however they may look.
            objects: what :class:`Circling` looks at: the page as it came, or the guids in it.

        Returns:
            How long to wait before the next request, seconds.

        Raises:
            FeedStuck: the Portal has served nothing new for too long.
        """
        if key is None:
            return self._nothing(more)
        self.empties = 0
        new = key not in self._seen and (moved or not more)
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if new:
            self.repeats = 0
            return self._circling.look(objects, more=more)
        self.repeats += 1
        if self.repeats >= REPEATS:
            raise FeedStuck(
                f"The Portal serves the same pages again and again: the last {self.repeats} were all served "
                "before, or moved no cursor. None of them is stored more than a few times, and "
                "the next run asks from where this one got on. The Portal's administrator can tell more."
            )
        return min(2.0 ** (self.repeats - TOLERATED - 1), _REPEAT_CAP_S) if self.suspicious else 0.0

    def _nothing(self, more: bool) -> float:
        self.empties += 1
        if more and self.empties >= EMPTY_PAGES:
            raise FeedStuck(
                f"The Portal has sent {self.empties} empty pages in a row, and says each time that there is "
                "more. The next run goes on from where this one got to."
            )
        return float(min(_EMPTY_FIRST_S * 2 ** min(self.empties - 1, 16), _EMPTY_CAP_S))

    @property
    def words(self) -> str:
        """What to tell a person; an empty string while all is well."""
        if self.suspicious:
            return (
                f"The Portal has sent {self.repeats} pages in a row that it had sent before, or stands still."
            )
        if self.empties >= _SAID_AFTER:
            return "The Portal announces changes, and sends nothing but empty pages."
        return self._circling.words

    def newest(self, count: int = 4096) -> list[str]:
        """Keys of the last pages, for the next run's ``known``."""
        return list(self._seen)[-count:]
