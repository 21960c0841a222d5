"""The objects of a world: cloud folders and their owners, directories and files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

NodeType = Literal["file", "folder"]
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class StartIds:
    """The first number of each kind that a world gives out."""

    ordinal: int = 501
    """The number in guids."""
    file: int = 14391
    """The wire's ``id``."""
    cloud_folder: int = 16
    account: int = 101


@dataclass(frozen=True, slots=True)
class Account:
    """A user who owns cloud folders."""

    name: str
    domain: str | None
    uid: int


@dataclass(frozen=True, slots=True)
class CloudFolder:
    """A cloud folder as the Portal's administration knows it."""

    uid: int
    name: str
    owner: Account
    tenant: str

    @property
    def webdav_path(self) -> str:
        """Percent-encoded path below the WebDAV root."""
        return f"{quote(self.owner.name)}/{quote(self.name)}"


class Node:
    """A cloud folder's root, a directory, or a file, as it is now."""

    __slots__ = (
        "acl",
        "children",
        "cloud_folder",
        "deleted",
        "file_timestamp",
        "id",
        "name",
        "ordinal",
        "parent",
        "size",
        "type",
    )

    def __init__(
        self,
        name: str,
        *,
        type: NodeType,  # noqa: A002 - the wire's word
        cloud_folder: CloudFolder,
        parent: Node | None,
        ordinal: int,
        id: int,  # noqa: A002 - the wire's word
        size: int = 0,
        file_timestamp: datetime,
        acl: str | None = None,
    ) -> None:
        self.name = name
        self.type: NodeType = type
        self.cloud_folder = cloud_folder
        self.parent = parent
        self.ordinal = ordinal
        self.id = id
        self.size = size
        self.file_timestamp = file_timestamp
        self.acl = acl
        self.deleted = False
        self.children: dict[str, Node] | None = {} if type == "folder" else None

    def __repr__(self) -> str:
        return f"<Node {self.path!r}{' (deleted)' if self.deleted else ''}>"

    @property
    def path(self) -> str:
        """``Cloud Folder/directory/name``."""
        return self.name if self.parent is None else f"{self.parent.path}/{self.name}"

    def walk(self) -> Iterator[Node]:
        """Give this object and everything below it, parents first."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            if node.children:
                stack.extend(reversed(node.children.values()))


def printable(name: str) -> str:
    """Give a name as the wire can carry it: lone surrogates become U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", name)


def timestamp(moment: datetime) -> str:
    """Write a time as the wire does: UTC, ``Z``, a fraction only when there is one."""
    return moment.astimezone(UTC).isoformat()[: -len("+00:00")] + "Z"
