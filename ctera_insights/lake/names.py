"""Names of data files: whose each is, and of which batch, told in full and not by what looks alike.

    portal-example-com-admin-16_9f86d081884c7d65-00000042-1c0d3f5a77e2.parquet
    └ to be read by people ───┘ └ whose ───────┘ └ batch ┘ └ no other ┘

*Whose* is the lock under which the file was written: the first 16 digits of the SHA-256 of the whole name of
a stream, or ``maintenance``. While that lock is held, the file may still be in the making. Earlier versions
wrote names without it, which may belong to anyone.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final, NamedTuple

from ctera_insights.errors import UsageError

RESERVED: Final = "ctera-insights:"
"""How names begin that are not those of feeds, where both stand side by side: of locks, of applications."""
MAINTENANCE: Final = "maintenance"
"""The owner of what a compaction writes."""
_LABEL_CHARACTERS: Final = 40
_NAME: Final = re.compile(
    rf"_(?P<owner>{MAINTENANCE}|[0-9a-f]{{16}})(-(?P<batch>[0-9]{{8,}}))?-[0-9a-f]{{12}}(\.[0-9a-f]{{8}})?\.parquet"
)
_EARLIER: Final = re.compile(r"(?P<label>.*)-(?P<batch>[0-9]{8,})-[0-9a-f]{12}\.parquet")


class FileName(NamedTuple):
    """What the name of a data file tells.

    Attributes:
        owner: whose it is, or an empty string where the name does not tell.
        batch: of which batch, or ``None``.
        label: what an earlier version wrote in place of an owner, which others may share.
    """

    owner: str = ""
    batch: int | None = None
    label: str = ""


def owner_of(stream: str) -> str:
    """The owner by which the files of a stream are known, and its lock.

    >>> owner_of("portal.example.com/admin/16") == owner_of("portal.example.com/admin/17")
    False
    """
    return hashlib.sha256(stream.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def require_feed_name(feed: str) -> None:
    """Refuse what no feed can be called.

    Raises:
        UsageError: the name is empty, kept for other uses, or not Unicode.
    """
    if not feed or feed.startswith(RESERVED):
        raise UsageError(f"A feed cannot be called {feed!r}: names are not empty, nor begin with {RESERVED}.")
    try:
        feed.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"A feed cannot be called {feed!r}: it is not Unicode. Is the terminal of another encoding?"
        ) from None


def new_name(label: str, owner: str, batch: int | None = None) -> str:
    """A file name that no other writer will choose.

    Args:
        label: for people; what a file name should not hold is replaced.
        owner: see :func:`owner_of`.
        batch: of which batch, if of one.
    """
    readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in label)
    parts = [f"{readable[:_LABEL_CHARACTERS].strip('-')}_{owner}", uuid.uuid4().hex[:12]]
    if batch is not None:
        parts.insert(1, f"{batch:08d}")
    return "-".join(parts) + ".parquet"


def read_name(path: str) -> FileName:
    """What the name of a file tells; nothing when the name is not one of ours."""
    name = path.rpartition("/")[2]
    if found := _NAME.search(name):
        return FileName(found["owner"], int(found["batch"]) if found["batch"] else None)
    if found := _EARLIER.fullmatch(name):
        return FileName(batch=int(found["batch"]), label=found["label"])
    return FileName()


def earlier_label(feed: str) -> str:
    """What earlier versions wrote of a feed into the names of its files."""
    return "".join(c if c.isalnum() else "-" for c in feed)[:_LABEL_CHARACTERS].strip("-")
