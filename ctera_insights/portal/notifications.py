"""The Notification Service: pages of object states behind a cursor, the long poll, ancestors."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from ctera_insights.errors import AnswerTooLarge, PortalStatusError, UnreadableAnswer, UsageError
from ctera_insights.model import Event
from ctera_insights.portal.answers import json_body, json_object
from ctera_insights.portal.pages import Page, RawPage, Reject, decode_page
from ctera_insights.portal.questions import AncestorsQuestion, FeedQuestion
from ctera_insights.portal.reading import SMALL_ANSWER
from ctera_insights.portal.service import PAGE_SIZE, Service
from ctera_insights.portal.transport import PAGE_LIMIT, Request
from ctera_insights.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from ctera_insights.portal.folders import CloudFolders, FolderIds
    from ctera_insights.portal.retry import RetryPolicy
    from ctera_insights.portal.session import Session
    from ctera_insights.portal.transport import Answer

T = TypeVar("T")

_JSON: Final = "application/json"
_EARLY_PAUSE_S: Final = 0.1
_EARLY_PAUSE_CAP_S: Final = 2.0


@dataclass(frozen=True, slots=True, repr=False)
class EventPage:
    """One page of the feed.

    Attributes:
        entries: the states, in the order served.
        cursor: where the next page begins.
        has_more: whether the Portal has more to list at once.
        rejects: entries that could not be read, byte for byte.
    """

    entries: list[Event]
    cursor: str
    has_more: bool
    rejects: list[Reject]

    def __repr__(self) -> str:
        return f"EventPage({len(self)} entries, {len(self.rejects)} rejects, has_more={self.has_more})"

    def __iter__(self) -> Iterator[Event]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class Notifications:
    """What changed on the Portal.

    Attributes:
        service: puts events on a queue of yours until it is stopped.
    """

    def __init__(self, session: Session, folders: FolderIds, *, service_retries: RetryPolicy) -> None:
        self._session = session
        self._folders = folders
        self._verified: set[tuple[int, str]] = set()
        self._fitting: int | None = None
        self.service = Service(self, service_retries)

    async def get(
        self,
        cloudfolders: CloudFolders | None = None,
        cursor: str | None = None,
        max_results: int | None = None,
    ) -> EventPage:
        """List one page of states after ``cursor``.

        Args:
            cloudfolders: ids or :class:`~ctera_insights.portal.CloudFolder`; ``None``: all there are.
            cursor: from an earlier page; ``None`` lists everything from the beginning.
            max_results: largest number of entries, default 2000.

        Raises:
            CursorRefused: the Portal no longer accepts the cursor.
            CloudFolderNotFound: a cloud folder, or its owner, does not exist.
            TooManyCloudFolders: more than the Portal lists in one feed.
            PortalError: the Portal, or the way to it.
        """
        ids = await self._folders.of(cloudfolders)
        return await self.page(cursor, ids, PAGE_SIZE if max_results is None else max_results)

    async def changes(
        self,
        cursor: str | None,
        cloudfolders: CloudFolders | None = None,
        timeout: int | None = None,  # noqa: ASYNC109  (the server's time, and the reference client's name)
    ) -> bool:
        """Wait until something is listable after ``cursor``.

        Args:
            cursor: from a page.
            cloudfolders: as for the page.
            timeout: how long to wait at most, **milliseconds** as in the reference client; default
                :attr:`Timeouts.longpoll_s`.

        Returns:
            ``True`` when there is something to list, ``False`` after the timeout.
        """
        ids = await self._folders.of(cloudfolders)
        return await self.wait_for_changes(cursor, ids, timeout / 1000 if timeout else None)

    async def ancestors(self, descendant: Event | tuple[int, str]) -> list[Event]:
        """The object and all directories above it: the cloud folder first, the object last.

        Args:
            descendant: an event, or ``(folder_id, guid)``.

        Raises:
            AncestorsNotFound: the Portal knows no such object, or no longer.
        """
        folder_id, guid = (
            descendant if isinstance(descendant, tuple) else (descendant.folder_id, descendant.guid)
        )
        if folder_id is None:
            raise UsageError(f"The object {guid!r} names no cloud folder; its ancestors cannot be asked for.")
        request = self._request("ancestors", {"folder_id": folder_id, "guid": guid})
        question = AncestorsQuestion(guid, folder_id, self._null_cursor_is_listed, self._verified)

        async def attempt() -> list[Event]:
            try:
                return await self._session.attempt(request, _read_ancestors)
            except PortalStatusError as error:
                refusal = error
            raise await question.meaning(refusal)

        lineage = await self._session.retrying(attempt)
        if isinstance(descendant, Event) and all(event.guid != guid for event in lineage):
            lineage.append(descendant)  # Portals of 2024 left the object itself out
        return _root_first(lineage, guid)

    async def list_raw(
        self, cursor: str | None, folder_ids: Sequence[int], max_results: int = PAGE_SIZE
    ) -> RawPage:
        """One page as the bytes that came, known to be whole; ``[]`` means all folders.

        Raises:
            CursorRefused: the Portal no longer accepts the cursor.
            TooManyCloudFolders: more than the Portal lists in one feed.
            PortalError: the Portal, or the way to it.
        """

        async def read(answer: Answer) -> RawPage:
            body = self._fits(json_body(answer, b"{", whole=False))
            page = RawPage.read_sound(body)
            return page if page is not None else await asyncio.to_thread(RawPage.read, body)

        return await self._list(cursor, folder_ids, max_results, read)

    async def page(
        self,
        cursor: str | None,
        folder_ids: Sequence[int],
        max_results: int = PAGE_SIZE,
        *,
        retries: RetryPolicy | None = None,
    ) -> EventPage:
        """As :meth:`list_raw`, decoded off the event loop; one that cannot be decoded is asked for again."""

        async def read(answer: Answer) -> EventPage:
            return await asyncio.to_thread(_decode, self._fits(json_body(answer, b"{", whole=False)))

        return await self._list(cursor, folder_ids, max_results, read, retries=retries)

    async def wait_for_changes(
        self,
        cursor: str | None,
        folder_ids: Sequence[int],
        timeout_s: float | None = None,
        *,
        retries: RetryPolicy | None = None,
    ) -> bool:
        """Long-poll: ``True`` when something is listable after ``cursor``, ``False`` after ``timeout_s``.

        A Portal that says "nothing" before the time is up is asked again after a pause, so that no loop
        around this spins.
        """
        timeouts = self._session.transport.timeouts
        timeout_s = timeouts.longpoll_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + timeout_s
        pause_s = _EARLY_PAUSE_S
        while True:
            left_s = max(deadline - time.monotonic(), 0.001)
            query = {
                "folder_ids": list(folder_ids),
                "cursor": cursor or None,
                "timeout": max(round(left_s * 1000), 1),
            }
            request = self._request("longpoll", query, read_timeout_s=left_s + timeouts.longpoll_margin_s)
            if await self._feed(request, cursor, folder_ids, _read_changes, retries=retries):
                return True
            left_s = deadline - time.monotonic()
            if left_s <= pause_s:
                await asyncio.sleep(max(left_s, 0))
                return False
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _EARLY_PAUSE_CAP_S)

    async def folder_ids(
        self, cloudfolders: CloudFolders | None, *, retries: RetryPolicy | None = None
    ) -> list[int]:
        """The ids of cloud folders given by name and owner; ``[]`` for ``None``, which means all.

        Raises:
            CloudFolderNotFound: a cloud folder, or its owner, does not exist.
        """
        return await self._folders.of(cloudfolders, retries=retries)

    async def _list(
        self,
        cursor: str | None,
        folder_ids: Sequence[int],
        max_results: int,
        read: Callable[[Answer], T | Awaitable[T]],
        *,
        retries: RetryPolicy | None = None,
    ) -> T:
        if isinstance(max_results, bool) or not isinstance(max_results, int) or max_results < 1:
            raise UsageError(f"max_results={max_results!r}: at least 1.")
        while True:
            size = min(max_results, self._fitting or max_results)
            request = self._list_request(cursor, folder_ids, size)
            try:
                return await self._feed(request, cursor, folder_ids, read, retries=retries)
            except AnswerTooLarge as error:
                too_large = error
            if size == 1:
                raise AnswerTooLarge(
                    f"{too_large} It was to hold one entry; something is odd at the Portal. If the page "
                    f"is sound and there is memory for several times its size, set {PAGE_LIMIT} to more MiB."
                )
            self._fitting = size // 2
            less = f"{too_large} Asking for {self._fitting} entries instead of {size}."
            self._session.tell(AnswerTooLarge(less))

    def _fits(self, body: bytes) -> bytes:
        """After a page that had to be made smaller, and one that is small: ask for more again."""
        if self._fitting is not None and len(body) < self._session.transport.page_limit_bytes // 8:
            self._fitting = self._fitting * 2 if self._fitting < PAGE_SIZE else None
        return body

    def _list_request(self, cursor: str | None, folder_ids: Sequence[int], size: int) -> Request:
        query = {"folder_ids": list(folder_ids), "cursor": cursor or None, "max_results": size}
        limit = self._session.transport.page_limit_bytes
        return self._request("list", query, limit_bytes=limit)

    async def _feed(
        self,
        request: Request,
        cursor: str | None,
        folder_ids: Sequence[int],
        read: Callable[[Answer], T | Awaitable[T]],
        *,
        retries: RetryPolicy | None,
    ) -> T:
        async def null_cursor_is_listed() -> None:
            await self._null_cursor_is_listed(folder_ids)

        question = FeedQuestion(cursor, folder_ids, null_cursor_is_listed)

        async def attempt() -> T:
            try:
                return await self._session.attempt(request, read, retries=retries)
            except PortalStatusError as error:
                refusal = error
            raise await question.meaning(refusal)

        return await self._session.retrying(attempt, retries=retries)

    async def _null_cursor_is_listed(self, folder_ids: Sequence[int]) -> None:
        """Return when the Portal lists its first entry: it is there, and speaks for itself.

        Raises:
            PortalError: it does not.
        """
        request = self._list_request(None, folder_ids, 1)
        try:
            await self._session.attempt(request, lambda answer: RawPage.read(json_body(answer, b"{")))
        except AnswerTooLarge:
            return

    def _request(
        self,
        endpoint: str,
        query: Mapping[str, object],
        read_timeout_s: float | None = None,
        limit_bytes: int = SMALL_ANSWER,
    ) -> Request:
        path = self._session.path(f"/v2/api/metadata/{endpoint}")
        cursor = query.get("cursor")
        hidden = Secret(cursor) if isinstance(cursor, str) else None
        return Request("POST", path, json.dumps(query).encode(), _JSON, read_timeout_s, limit_bytes, hidden)


def _decode(body: bytes) -> EventPage:
    page: Page = decode_page(body)
    return EventPage(page.events(), page.cursor, page.has_more, page.rejects)


def _read_changes(answer: Answer) -> bool:
    changes = json_object(answer).get("changes")
    if isinstance(changes, str):
        return changes.lower() == "true"
    if not isinstance(changes, bool | int):
        raise UnreadableAnswer(f"The answer to {answer.what} does not say whether there are changes.")
    return bool(changes)


def _read_ancestors(answer: Answer) -> list[Event]:
    body = json_body(answer, b"[")
    # An ancestor has the shape of a page's entry, and gets the same tolerant reading.
    page = decode_page(b'{"has_more":false,"cursor":"none","entries":' + body + b"}")
    if page.rejects:
        raise UnreadableAnswer(f"An ancestor in the answer to {answer.what} has {page.rejects[0].reason}.")
    return page.events()


def _root_first(lineage: list[Event], guid: str) -> list[Event]:
    """Order by parenthood when the parents tell it completely, else leave the Portal's order."""
    by_guid = {event.guid: event for event in lineage}
    chain: list[Event] = []
    step = by_guid.pop(guid, None)
    while step is not None:
        chain.append(step)
        step = by_guid.pop(step.parent_guid or "", None)
    return lineage if by_guid else chain[::-1]
