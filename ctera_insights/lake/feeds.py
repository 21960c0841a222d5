"""What each feed of a lake is of. A cursor belongs to one Portal and one set of cloud folders.

The table ``feeds`` keeps it: a row is added when a feed begins, and when what it is of changes; the last row
of a feed counts. A feed from before this table is known by its name where that is the one made of Portal,
context and cloud folders.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from ctera_insights.errors import FileDamaged, UsageError
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.intact import rows_of
from ctera_insights.lake.names import owner_of, require_feed_name
from ctera_insights.model import feeds_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ctera_insights.lake.lake import Lake

_NAMED_IDS: Final = 8
"""A name lists so many cloud folders; more are told by their number and a digest."""
_DEFAULT_NAME: Final = re.compile(
    r"(?P<portal>[^/]+)/(?P<context>admin|ServicesPortal)(?:/(?P<ids>\d+(?:,\d+)*|\d+-folders-[0-9a-f]{12}))?"
)
_PORTS: Final = {"https": 443, "http": 80, "": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """What a feed is of.

    Attributes:
        portal: host, and port where it is not the scheme's own; one spelling for one Portal.
        context: ``admin`` or ``ServicesPortal``.
        cloud_folders: uids in order; none means all that the session may see.
        tenant: the tenant that the session looked at; ``None`` where the Portal did not say.
        user: in the context ``ServicesPortal``, whose folders these are.
    """

    portal: str
    context: str
    cloud_folders: tuple[int, ...] = ()
    tenant: str | None = None
    user: str | None = None

    @classmethod
    def of(
        cls,
        url: str,
        context: str,
        cloud_folders: Iterable[int] = (),
        *,
        tenant: str | None = None,
        user: str | None = None,
    ) -> Self:
        """The origin that an address and a session tell.

        >>> Origin.of("HTTPS://Portal.Example.com.:443/", "admin").portal
        'portal.example.com'
        """
        folders = tuple(sorted(set(cloud_folders)))
        owner = None
        if user and context == "ServicesPortal":  # what a terminal gave may hold bytes that are no Unicode
            owner = user.casefold().encode("utf-8", "backslashreplace").decode()
        return cls(_host(url), context, folders, tenant, owner)

    @property
    def name(self) -> str:
        """The name of a feed of it, where none is given."""
        ids = ",".join(map(str, self.cloud_folders))
        if len(self.cloud_folders) > _NAMED_IDS:  # names stay readable
            ids = f"{len(self.cloud_folders)}-folders-{hashlib.sha256(ids.encode()).hexdigest()[:12]}"
        return "/".join(part for part in (self.portal, self.context, ids) if part)

    def overlaps(self, other: Origin) -> bool:
        """Whether the same event may come from both; of what is not known, the worse is assumed.

        An end user's files are the administrator's, too, so the context makes no difference.
        """
        return (
            self.portal == other.portal
            and (self.tenant is None or other.tenant is None or self.tenant == other.tenant)
            and (
                not self.cloud_folders
                or not other.cloud_folders
                or not set(self.cloud_folders).isdisjoint(other.cloud_folders)
            )
        )

    def __str__(self) -> str:
        folders = (
            f"cloud folder{'s' if len(self.cloud_folders) > 1 else ''} {_listed(self.cloud_folders)}"
            if self.cloud_folders
            else "all cloud folders"
        )
        tenant = f", tenant {self.tenant!r}" if self.tenant else ""
        user = f", user {self.user!r}" if self.user else ""
        return f"{self.portal} (context {self.context}{tenant}{user}, {folders})"


def feed_name(url: str, context: str, folder_ids: Iterable[int] = ()) -> str:
    """The name of the stream that a Portal, a context and a set of cloud folders make.

    >>> feed_name("https://tenant.ctera.com", "admin", [40, 16])
    'tenant.ctera.com/admin/16,40'
    """
    return Origin.of(url, context, folder_ids).name


@bordered
def origins(lake: Lake) -> dict[str, Origin]:
    """What each recorded feed is of.

    Raises:
        StoreDamaged: the table is damaged.
        StoreUnreachable: it cannot be read now.
    """
    if not lake.feeds.exists():
        return {}
    import pyarrow as pa

    files = lake.feeds.snapshot().files
    if not files:
        return {}
    try:
        table = pa.concat_tables([rows_of(lake.feeds, file) for file in files])
    except FileDamaged as error:
        raise FileDamaged(
            f"{lake.feeds.place.uri}/{error.path} {error.what}. It only tells what each feed is of: when "
            f"{lake.feeds.place.uri} is moved elsewhere, each feed writes it anew at its next start.",
            path=error.path,
            what=error.what,
        ) from error
    rows = table.sort_by("since").drop_columns(["since"])  # a time with a zone would import pandas
    return {row["feed"]: _origin(row) for row in rows.to_pylist()}


@bordered
def admit(
    lake: Lake, feed: str, origin: Origin, *, portal_moved: bool = False, allow_overlap: bool = False
) -> list[str]:
    """Hold a feed that is about to be collected against what the lake knows, and make a note of its origin.

    Args:
        lake: where the feed is going to be written.
        feed: its name; the caller holds its lock.
        origin: what is asked for.
        portal_moved: the Portal (or the user) is the same, under another address or name.
        allow_overlap: events may come twice, by this feed and by another.

    Returns:
        What deserves a word, though it is no reason to refuse.

    Raises:
        UsageError: the feed is of something else, a new feed overlaps with another, or there is none to move.
        StoreDamaged: the table ``feeds`` is damaged.
        StoreUnreachable: it cannot be read now.
    """
    require_feed_name(feed)
    words, former, origin = _compare(
        lake, feed, origin, portal_moved=portal_moved, allow_overlap=allow_overlap
    )
    if former != origin:
        _record(lake, feed, origin)
        # Another one may have begun at the same moment, before this record could be seen.
        _compare(lake, feed, origin, portal_moved=portal_moved, allow_overlap=allow_overlap)
    return words


def _compare(
    lake: Lake, feed: str, origin: Origin, *, portal_moved: bool, allow_overlap: bool
) -> tuple[list[str], Origin | None, Origin]:
    """What deserves a word, the origin on record, and the one that is due; refuses as :func:`admit` does."""
    from ctera_insights.lake.status import feed_names

    known = origins(lake)
    written = feed_names(lake) if lake.events.exists() else []
    begun = feed in written
    former = known.get(feed) if begun else None
    if former is not None:
        _require_same(feed, former, origin, portal_moved)
        origin = replace(origin, tenant=origin.tenant or former.tenant)
    others = {
        name: known.get(name) or _by_name(name)
        for name in sorted({*written, *_running(lake, known)})
        if name != feed
    }
    words = [] if begun else _other_address(feed, origin, others, portal_moved)
    for name, other in others.items():
        problem = _conflict(feed, origin, name, other)
        if problem and not begun and not allow_overlap:
            raise UsageError(
                f"{problem} Go on with --feed {_choice([name])}, collect into another store, or insist "
                "with --allow-overlap."
            )
        if problem and (former is None or allow_overlap):
            words.append(problem)
    return words, known.get(feed), origin


def _running(lake: Lake, recorded: Iterable[str]) -> list[str]:
    """Feeds that a process is about to write, though they may not have committed anything yet."""
    if not lake.place.local:  # no lock tells
        return []
    return [name for name in recorded if not lake.locks.free(owner_of(name))]


@bordered
def overlaps(lake: Lake) -> list[str]:
    """Pairs of feeds that bring the same events, so that whatever counts them counts twice."""
    from ctera_insights.lake.status import feed_names

    known = origins(lake)
    feeds = {name: known.get(name) or _by_name(name) for name in feed_names(lake)}
    names = sorted(name for name, origin in feeds.items() if origin is not None)
    return [
        problem
        for place, name in enumerate(names)
        for other in names[:place]
        if (origin := feeds[name]) is not None and (problem := _conflict(name, origin, other, feeds[other]))
    ]


def _require_same(feed: str, former: Origin, asked: Origin, portal_moved: bool) -> None:
    differs = [
        what
        for what, one, other in (
            ("Portal", former.portal, asked.portal),
            ("user", former.user, asked.user),
            ("context", former.context, asked.context),
            ("tenant", former.tenant or asked.tenant, asked.tenant or former.tenant),
            ("set of cloud folders", former.cloud_folders, asked.cloud_folders),
        )
        if one != other and not (portal_moved and what in ("Portal", "user"))
    ]
    if not differs:
        return
    way_out = "Give it another name with --feed"
    if set(differs) <= {"Portal", "user"}:
        way_out += ", or say --portal-moved if it is the same one under a new address or name"
    raise UsageError(
        f"The feed {feed!r} is of {former}; {asked} was asked for: another {' and '.join(differs)}. A cursor "
        f"belongs to what it was given for, and would pass over events of anything else. {way_out}."
    )


def _conflict(feed: str, origin: Origin, name: str, other: Origin | None) -> str:
    if other is None:
        return (
            f"Nothing tells which Portal the feed {name!r} of this store is of: if it is {origin.portal}, "
            f"a feed {feed!r} beside it brings the same events twice."
        )
    if origin.overlaps(other):
        return (
            f"The feed {name!r} of this store is of {other}, which overlaps with {feed!r}, of {origin}: "
            "events that come by both are counted twice."
        )
    return ""


def _other_address(
    feed: str, origin: Origin, others: Mapping[str, Origin | None], portal_moved: bool
) -> list[str]:
    """What to say when a new feed's address is new to the store: it may lead to a Portal that is known."""
    if any(other is not None and other.portal == origin.portal for other in others.values()):
        return []
    alike = [
        name
        for name, other in others.items()
        if other is not None and replace(origin, portal=other.portal).overlaps(other)
    ]
    if not alike:
        return []
    if portal_moved and feed == origin.name:  # a name that was given is meant
        raise UsageError(
            f"--portal-moved: this store has no feed {feed!r} yet, so none would move, and a new one would "
            f"bring everything again. Say which one goes on under the new address: --feed {_choice(alike)}."
        )
    if portal_moved:
        return []
    word = (
        f"A new feed {feed!r} begins, of {origin.portal}. Should that be another address of a Portal that "
        "this store knows, its events will be counted twice: then collect into another store, or go on with "
        f"--portal-moved --feed {_choice(alike)}."
    )
    return [word]


def _choice(names: list[str]) -> str:
    return " or --feed ".join(shlex.quote(name) for name in names)


def _record(lake: Lake, feed: str, origin: Origin) -> None:
    import pyarrow as pa

    row = {
        "feed": feed,
        "portal": origin.portal,
        "context": origin.context,
        "tenant": origin.tenant,
        "user": origin.user,
        "cloud_folders": ",".join(map(str, origin.cloud_folders)),
        "since": datetime.now(UTC),
    }
    lake.feeds.create()
    version = (lake.feeds.transaction(feed) or 0) + 1
    rows = pa.Table.from_pylist([row], feeds_schema())
    lake.feeds.append(rows, app_id=feed, version=version, label=feed, owner=owner_of(feed))


def _origin(row: Mapping[str, Any]) -> Origin:
    ids = tuple(int(number) for number in (row["cloud_folders"] or "").split(",") if number)
    return Origin(row["portal"], row["context"], ids, row["tenant"], row["user"])


def _by_name(feed: str) -> Origin | None:
    """What the name of a feed without a record tells; a digest of cloud folders could be any of them."""
    match = _DEFAULT_NAME.fullmatch(feed)
    if match is None:
        return None
    ids = match["ids"] or ""
    folders = () if "-" in ids else tuple(int(number) for number in ids.split(",") if number)
    return Origin(_host(match["portal"]), match["context"], folders)


def _host(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"//{url}")
    host = (parts.hostname or "").rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    return host if parts.port in (None, _PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def _listed(ids: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, ids[:_NAMED_IDS]))
    return shown if len(ids) <= _NAMED_IDS else f"{shown} and {len(ids) - _NAMED_IDS} more"
