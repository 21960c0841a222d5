"""Cloud folders by id, or by name and owner, to the ids that the feed understands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from ctera_insights.errors import CloudFolderNotFound, PortalRefused, UnreadableAnswer, UsageError
from ctera_insights.portal import xml
from ctera_insights.portal.answers import xml_object
from ctera_insights.portal.session import XML
from ctera_insights.portal.transport import Request

if TYPE_CHECKING:
    from ctera_insights.portal.retry import RetryPolicy
    from ctera_insights.portal.session import Session

_PAGE: Final = 50


class CloudFolder(NamedTuple):
    """A cloud folder by its name and owner.

    Attributes:
        name: the folder's name.
        owner: ``"svc"`` (a local user), ``"svc@acme.com"`` or ``("svc", "acme.com")`` (a domain's user), or
            any object with ``name`` and ``directory``. A local name that itself holds an ``@`` is written
            ``("jo@home", None)``.
    """

    name: str
    owner: Any


class Account(NamedTuple):
    """A user: name, and domain or ``None`` for a local user."""

    name: str
    domain: str | None


CloudFolders = Iterable[int | CloudFolder]
"""Ids, :class:`CloudFolder`, or objects with ``name`` and ``owner``; they may be mixed."""


class FolderIds:
    """Looks cloud folders up, each once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, Account], list[int]] = {}
        self._looking_up = asyncio.Lock()

    def forget(self) -> None:
        """Look everything up anew: another tenant has other folders."""
        self._known.clear()

    async def of(self, cloudfolders: CloudFolders | None, *, retries: RetryPolicy | None = None) -> list[int]:
        """The ids of ``cloudfolders``; ``[]``, the wire's "all folders", only for ``None``.

        ``retries`` is for the look-up, instead of the client's policy.

        Raises:
            CloudFolderNotFound: a folder or its owner does not exist.
            UsageError: something in the list is no cloud folder, or the list is empty.
        """
        if cloudfolders is None:
            return []
        if isinstance(cloudfolders, str | bytes) or not isinstance(cloudfolders, Iterable):
            raise UsageError(f"cloudfolders={cloudfolders!r}: a list of ids or CloudFolder(name, owner).")
        ids: dict[int, None] = {}
        for folder in cloudfolders:
            ids.update(dict.fromkeys(await self._ids(folder, retries)))
        if not ids:
            raise UsageError("An empty list of cloud folders. Pass None for all folders.")
        return list(ids)

    async def _ids(self, folder: Any, retries: RetryPolicy | None) -> list[int]:
        if isinstance(folder, int) and not isinstance(folder, bool):
            return [folder]
        name, owner = getattr(folder, "name", None), getattr(folder, "owner", None)
        if not isinstance(name, str) or owner is None:
            raise UsageError(f"{folder!r} is no cloud folder: give an id (int) or CloudFolder(name, owner).")
        key = name, _account(owner)
        async with self._looking_up:
            if key not in self._known:
                self._known[key] = await self._find(*key, retries)
            return self._known[key]

    async def _find(self, name: str, owner: Account, retries: RetryPolicy | None) -> list[int]:
        uid = await self._owner_uid(owner, retries)
        ids: list[int] = []
        start, more = 0, True
        while more:
            answer = await self._session.call(self._query(name, uid, start), xml_object, retries=retries)
            found = answer.get("objects")
            found = found if isinstance(found, list) else []
            ids += [_uid(item) for item in found if isinstance(item, dict) and _is_named(item, name)]
            more = answer.get("hasMore") == "true" and bool(found)
            start += _PAGE
        if not ids:
            raise CloudFolderNotFound(
                f"{_show(owner)} owns no cloud folder {name!r} that this session can see. Check both names."
            )
        return ids

    async def _owner_uid(self, owner: Account, retries: RetryPolicy | None) -> str:
        user = quote(owner.name, safe="")
        place = (
            f"/api/domains/{quote(owner.domain, safe='')}/adUsers/{user}"
            if owner.domain
            else f"/api/users/{user}"
        )
        body = xml.encode({"type": "db", "name": "get-multi", "param": ["/uid", "/name"]})
        request = Request("POST", self._session.path(place), body, XML)
        try:
            answer = await self._session.call(request, xml_object, retries=retries)
        except PortalRefused as error:
            if error.status not in (400, 404):
                raise
            answer = {}
        uid = answer.get("uid")
        if not answer.get("name") or not isinstance(uid, str) or not uid:
            raise CloudFolderNotFound(f"The Portal knows no user {_show(owner)}.")
        return uid

    def _query(self, name: str, owner_uid: str, start: int) -> Request:
        is_named = {"$class": "StringFilter", "field": "name", "restriction": "eq", "value": name}
        param = {
            "startFrom": start,
            "countLimit": _PAGE,
            "include": ["uid", "name"],
            "ownedBy": owner_uid,
            "filters": [is_named],
        }
        body = xml.encode({"type": "db", "name": "query", "param": param})
        return Request("POST", self._session.path("/api/cloudDrives"), body, XML)


def _is_named(folder: dict[str, xml.XMLValue], name: str) -> bool:
    """Whether the Portal's filter did its work; a folder without a name is taken at the Portal's word."""
    found = folder.get("name")
    return not isinstance(found, str) or not found or found.casefold() == name.strip().casefold()


def _uid(folder: dict[str, xml.XMLValue]) -> int:
    uid = folder.get("uid")
    if not isinstance(uid, str) or not uid.isdecimal():
        raise UnreadableAnswer(f"The Portal listed a cloud folder with the uid {uid!r}.")
    return int(uid)


def _account(owner: Any) -> Account:
    if isinstance(owner, str):
        user, _, directory = owner.rpartition("@")
        owner = (user, directory) if user else (owner, None)
    if not (isinstance(owner, tuple) and len(owner) == 2):
        owner = getattr(owner, "name", None), getattr(owner, "directory", None)
    name, domain = owner
    if not isinstance(name, str) or not name or not (domain is None or isinstance(domain, str)):
        raise UsageError("A folder's owner is written 'svc', 'svc@acme.com' or ('svc', 'acme.com').")
    return Account(name, domain or None)


def _show(owner: Account) -> str:
    return repr(f"{owner.name}@{owner.domain}" if owner.domain else owner.name)
