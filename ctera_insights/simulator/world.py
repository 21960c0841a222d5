"""A world of cloud folders, directories and files, whose every change becomes a state in a feed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from ctera_insights.simulator.nodes import (
    Account,
    CloudFolder,
    Node,
    NodeType,
    StartIds,
    printable,
    timestamp,
)

if TYPE_CHECKING:
    from ctera_insights.simulator.feed import Feed

__all__ = ["Account", "CloudFolder", "Node", "NodeType", "StartIds", "World", "printable", "timestamp"]


class World:
    """Objects with names and places; every operation publishes the new state of what it changed.

    Operations may be called from any thread. ``at`` is when the change happens, UTC; ``None`` is now. A lone
    surrogate in a name (an undecodable byte of a real file name) becomes U+FFFD, as the wire carries UTF-8.

    Args:
        feed: where the states go.
        portal_uuid: first part of every guid; random when not given.
        start_ids: first numbers of each kind, when not the usual ones.

    Example:
        >>> from ctera_insights.simulator import Feed, World
        >>> world = World(Feed())
        >>> projects = world.cloud_folder("Projects")
        >>> report = world.create(projects, "report.docx", size=1200)
        >>> world.rename(report, "final.docx")
        >>> report.path, len(world.feed)
        ('Projects/final.docx', 3)
    """

    def __init__(
        self, feed: Feed, *, portal_uuid: str | None = None, start_ids: StartIds | None = None
    ) -> None:
        self.feed = feed
        self.portal_uuid = portal_uuid or str(uuid4())
        self.cloud_folders: dict[int, CloudFolder] = {}
        """By uid."""
        self.accounts: dict[tuple[str, str | None], Account] = {}
        """By name and domain."""
        self.roots: dict[int, Node] = {}
        """By the cloud folder's uid."""
        self._lock = RLock()
        first = start_ids or StartIds()
        self._ordinals = count(first.ordinal)
        self._file_ids = count(first.file)
        self._uids = count(first.cloud_folder)
        self._account_uids = count(first.account)
        self._versions = count(1)

    def account(self, name: str, domain: str | None = None) -> Account:
        """Give a user, made at the first mention."""
        with self._lock:
            known = self.accounts.get((name, domain))
            if known is None:
                known = self.accounts[name, domain] = Account(name, domain, next(self._account_uids))
            return known

    def register(
        self,
        name: str,
        *,
        owner: str = "svc",
        domain: str | None = None,
        tenant: str = "5",
        uid: int | None = None,
    ) -> CloudFolder:
        """Make a cloud folder known to the Portal's administration, without an object of its own."""
        with self._lock:
            if uid in self.cloud_folders:
                raise ValueError(f"There is a cloud folder with uid {uid} already.")
            if uid is None:
                uid = next(free for free in self._uids if free not in self.cloud_folders)
            folder = CloudFolder(uid, printable(name), self.account(owner, domain), tenant)
            self.cloud_folders[uid] = folder
            self.feed.cloud_folders = len(self.cloud_folders)
            return folder

    def cloud_folder(
        self,
        name: str,
        *,
        owner: str = "svc",
        domain: str | None = None,
        tenant: str = "5",
        uid: int | None = None,
        at: datetime | None = None,
    ) -> Node:
        """Make a cloud folder and publish its root.

        Args:
            name: its name; other owners may have one of the same name.
            owner: user name of the owner.
            domain: the owner's domain, or ``None`` for a local user.
            tenant: the wire's ``virtual_portal_id``.
            uid: the wire's ``folder_id``; the next free number when not given.
            at: when it was made.

        Raises:
            ValueError: when the uid is taken.
        """
        with self._lock:
            folder = self.register(name, owner=owner, domain=domain, tenant=tenant, uid=uid)
            when = _moment(at)
            root = self._node(folder.name, "folder", folder, None, size=0, file_timestamp=when, acl=None)
            self.roots[folder.uid] = root
            self._publish(root, when)
            return root

    def create(
        self,
        parent: Node,
        name: str,
        *,
        type: NodeType = "file",  # noqa: A002 - the wire's word
        size: int = 0,
        at: datetime | None = None,
        file_timestamp: datetime | None = None,
        acl: str | None = None,
    ) -> Node:
        """Make a file or a directory.

        Args:
            parent: the directory.
            name: base name.
            type: ``file`` or ``folder``.
            size: bytes.
            at: when the Portal saw it.
            file_timestamp: the file's own time; ``at`` when not given.
            acl: security descriptor, SDDL.

        Raises:
            ValueError: the name is taken or contains a slash, or the parent is not a living directory.
        """
        with self._lock:
            when = _moment(at)
            name = self._free_name(parent, name)
            node = self._node(
                name,
                type,
                parent.cloud_folder,
                parent,
                size=size,
                file_timestamp=_moment(file_timestamp, when),
                acl=acl,
            )
            _attach(node, parent)
            self._publish(node, when)
            return node

    def write(
        self, node: Node, *, size: int, at: datetime | None = None, file_timestamp: datetime | None = None
    ) -> None:
        """Give a file new content of ``size`` bytes."""
        with self._lock:
            when = _moment(at)
            _alive(node)
            node.file_timestamp = _moment(file_timestamp, when)
            node.size = size
            self._publish(node, when)

    def rename(self, node: Node, name: str, at: datetime | None = None) -> None:
        """Give an object another name; what is below a directory gets no state of its own.

        Raises:
            ValueError: as :meth:`create`.
        """
        self.move(node, node.parent, name, at=at)

    def move(
        self, node: Node, parent: Node | None, name: str | None = None, at: datetime | None = None
    ) -> Node:
        """Put an object below another directory, and under another name when one is given.

        Within a cloud folder it keeps its guid. Another cloud folder gets new objects, and the old ones are
        deleted: the object that then stands for it is returned.

        Raises:
            ValueError: as :meth:`create`, or when a directory would come below itself.
        """
        with self._lock:
            _alive(node)
            when = _moment(at)
            new_name = node.name if name is None else name
            if parent is None:
                if node.parent is not None:
                    raise ValueError(f"{node!r} cannot become the root of a cloud folder.")
                node.name = printable(new_name)
                self._publish(node, when)
                return node
            if parent.cloud_folder.uid != node.cloud_folder.uid:
                copy = self._copy(node, parent, new_name, when)
                self.delete(node, at=when)
                return copy
            if _within(parent, node):
                raise ValueError(f"{node!r} cannot go below itself.")
            if parent is not node.parent or printable(new_name) != node.name:
                new_name = self._free_name(parent, new_name)
            _detach(node)
            node.name = new_name
            _attach(node, parent)
            self._publish(node, when)
            return node

    def delete(
        self, node: Node, at: datetime | None = None, tombstones: Literal["all", "top"] = "all"
    ) -> None:
        """Delete an object and everything below it.

        Args:
            node: the object.
            at: when.
            tombstones: whether every object below gets a tombstone, or the topmost alone.
        """
        with self._lock:
            _alive(node)
            when = _moment(at)
            for each in node.walk():
                each.deleted = True
                if each is node or tombstones == "all":
                    self._publish(each, when)
                else:
                    self.feed.hide(each.ordinal)
            _detach(node)

    def restore(self, node: Node, at: datetime | None = None) -> None:
        """Bring a deleted object back to where it was, with everything below it; each gets a state.

        Raises:
            ValueError: it is not deleted, its name is taken by now, or its directory is gone.
        """
        with self._lock:
            if not node.deleted:
                raise ValueError(f"{node!r} is not deleted.")
            when = _moment(at)
            if node.parent is not None:
                self._free_name(node.parent, node.name)
                _attach(node, node.parent)
            for each in node.walk():
                each.deleted = False
                self._publish(each, when)

    def set_acl(self, node: Node, acl: str | None, at: datetime | None = None) -> None:
        """Give an object another security descriptor (SDDL)."""
        with self._lock:
            _alive(node)
            when = _moment(at)
            node.acl = acl
            self._publish(node, when)

    def find(self, path: str) -> Node | None:
        """Find a living object by ``Cloud Folder/directory/name``."""
        top, *rest = printable(path).strip("/").split("/")
        for root in self.roots.values():
            if root.name != top or root.deleted:
                continue
            node: Node | None = root
            for name in rest:
                node = node.children.get(name) if node is not None and node.children else None
            if node is not None:
                return node
        return None

    def next_ordinal(self) -> int:
        """Take the next object number, for a source that publishes entries itself."""
        return next(self._ordinals)

    def next_file_id(self) -> int:
        """Take the next file id (the wire's ``id``)."""
        return next(self._file_ids)

    def guid(self, ordinal: int) -> str:
        """The guid of the object with a number."""
        return f"{self.portal_uuid}:{ordinal}"

    def next_gvsn(self) -> str:
        """Take the next version stamp."""
        return f"{self.portal_uuid}:{next(self._versions)}"

    def _node(
        self,
        name: str,
        type: NodeType,  # noqa: A002 - the wire's word
        folder: CloudFolder,
        parent: Node | None,
        *,
        size: int,
        file_timestamp: datetime,
        acl: str | None,
    ) -> Node:
        return Node(
            name,
            type=type,
            cloud_folder=folder,
            parent=parent,
            ordinal=self.next_ordinal(),
            id=self.next_file_id(),
            size=size,
            file_timestamp=file_timestamp,
            acl=acl,
        )

    def _publish(self, node: Node, at: datetime) -> None:
        entry: dict[str, Any] = {
            "type": node.type,
            "guid": self.guid(node.ordinal),
            "folder_id": node.cloud_folder.uid,
            "deleted": node.deleted,
            "name": node.name,
            "file_timestamp": timestamp(node.file_timestamp),
            "portal_modified_date": timestamp(at),
            "virtual_portal_id": node.cloud_folder.tenant,
            "size": node.size,
            "id": node.id,
            "gvsn": self.next_gvsn(),
        }
        if node.parent is not None:
            entry["parent_guid"] = self.guid(node.parent.ordinal)
        if node.acl is not None:
            entry["acl"] = node.acl
        self.feed.publish(entry)

    def _copy(self, node: Node, parent: Node, name: str, at: datetime) -> Node:
        copy = self.create(
            parent,
            name,
            type=node.type,
            size=node.size,
            at=at,
            file_timestamp=node.file_timestamp,
            acl=node.acl,
        )
        for child in list((node.children or {}).values()):
            self._copy(child, copy, child.name, at)
        return copy

    def _free_name(self, parent: Node, name: str) -> str:
        _alive(parent)
        name = printable(name)
        if parent.children is None:
            raise ValueError(f"{parent!r} is a file.")
        if name in parent.children:
            raise ValueError(f"There is {parent.path}/{name} already.")
        if not name or "/" in name:
            raise ValueError(f"{name!r} is no name: it is empty or contains a slash.")
        return name


def _moment(given: datetime | None, otherwise: datetime | None = None) -> datetime:
    moment = given or otherwise or datetime.now(UTC)
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: give UTC times.")
    return moment


def _alive(node: Node) -> None:
    if node.deleted:
        raise ValueError(f"{node!r} no longer exists.")


def _within(node: Node, ancestor: Node) -> bool:
    step: Node | None = node
    while step is not None:
        if step is ancestor:
            return True
        step = step.parent
    return False


def _attach(node: Node, parent: Node) -> None:
    node.parent = parent
    assert parent.children is not None
    parent.children[node.name] = node


def _detach(node: Node) -> None:
    if node.parent is not None and node.parent.children is not None:
        node.parent.children.pop(node.name, None)
