"""What a refused question means: the cursor, the folders, the object, or a Portal that is away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import (
    AncestorsNotFound,
    CursorRefused,
    PortalAway,
    PortalError,
    PortalRefused,
    PortalStatusError,
    TooManyCloudFolders,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ctera_insights.errors import InsightsError

_FOLDER_LIMIT: Final = re.compile(r"size must be between (\d+) and (\d+)")
_ABOUT_WHAT_WAS_ASKED: Final = frozenset({400, 404, 410, 422})
_AMBIGUOUS: Final = frozenset({404, 410})
_PROOFS: Final = 5
"""So often in a row must words that may be a gateway's refuse, and the Portal answer right after."""


class FeedQuestion:
    """One ``list`` or ``longpoll``, through all its attempts.

    Args:
        cursor: what was asked with.
        folder_ids: what was asked for.
        prove: asks for the first entry of a null cursor; raises when the Portal does not list it.
    """

    def __init__(
        self, cursor: str | None, folder_ids: Sequence[int], prove: Callable[[], Awaitable[None]]
    ) -> None:
        self._cursor = cursor
        self._folder_ids = folder_ids
        self._prove = prove
        self._proofs = 0

    async def meaning(self, refusal: PortalStatusError) -> InsightsError:
        """The error to raise for a refusal."""
        if refusal.status not in _ABOUT_WHAT_WAS_ASKED:
            return refusal
        if limit := _FOLDER_LIMIT.search(refusal.message):
            asked = f"{len(self._folder_ids)} were asked for" if self._folder_ids else "the session sees more"
            return TooManyCloudFolders(
                f"The Portal lists {limit[1]} to {limit[2]} cloud folders in one feed; {asked}. "
                f"Split them into several feeds. It said: {refusal.message}"
            )
        if self._cursor:
            return await self._with_cursor(refusal)
        return _cursor_refused(refusal) if _names_cursor(refusal) else refusal

    async def _with_cursor(self, refusal: PortalStatusError) -> InsightsError:
        try:
            await self._prove()
        except PortalError as error:
            self._proofs = 0
            if not isinstance(error, PortalStatusError):
                return error
            if isinstance(error, PortalRefused) and error.status not in _AMBIGUOUS:
                return error  # in its own words, and not over the cursor
            return _away(
                f"{refusal} A null cursor is refused as well, so it is not over the cursor.", refusal
            )
        self._proofs += 1
        own = not isinstance(refusal, PortalAway) or _names_cursor(refusal)
        if own or (self._proofs >= _PROOFS and not refusal.is_blank):
            return _cursor_refused(refusal)
        return _away(
            f"{refusal} A null cursor is answered, though. Should it stay so, the cursor is refused: begin a "
            "new baseline (`collect --resync`).",
            refusal,
        )


class AncestorsQuestion:
    """One ``ancestors``, through all its attempts.

    Args:
        guid: the object.
        folder_id: its cloud folder.
        prove: lists the first entry of cloud folders; raises when the Portal does not.
        verified: words, with their status, known to be the Portal's; shared by all questions.
    """

    def __init__(
        self,
        guid: str,
        folder_id: int,
        prove: Callable[[Sequence[int]], Awaitable[None]],
        verified: set[tuple[int, str]],
    ) -> None:
        self._guid = guid
        self._folder_id = folder_id
        self._prove = prove
        self._verified = verified
        self._proofs = 0

    async def meaning(self, refusal: PortalStatusError) -> InsightsError:
        """The error to raise: to take a gateway's page for "no such object" would hide a folder for ever."""
        if refusal.status not in _ABOUT_WHAT_WAS_ASKED:
            return refusal
        words = (refusal.status, refusal.message)
        if isinstance(refusal, PortalAway) and words not in self._verified:
            if refusal.is_blank:
                return refusal
            try:
                await self._prove([])
            except PortalError:
                self._proofs = 0
                return refusal
            self._proofs += 1
            if self._proofs < _PROOFS:
                return refusal
            self._verified.add(words)
        return AncestorsNotFound(
            f"The Portal gives no ancestors of {self._guid!r} in cloud folder {self._folder_id}. {refusal}"
        )


def _names_cursor(refusal: PortalStatusError) -> bool:
    return "cursor" in refusal.message.lower()  # of which no gateway speaks


def _cursor_refused(refusal: PortalStatusError) -> CursorRefused:
    return CursorRefused(
        "The Portal no longer accepts the cursor: begin a new baseline (`collect --resync`, or a null "
        f"cursor). {refusal}",
        status=refusal.status,
        message=refusal.message,
    )


def _away(text: str, refusal: PortalStatusError) -> PortalAway:
    return PortalAway(
        text, status=refusal.status, message=refusal.message, retry_after_s=refusal.retry_after_s
    )
