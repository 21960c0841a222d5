"""Who works on what: people, departments with a cloud folder each, projects, and the files in them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ctera_insights.simulator.world import CloudFolder

_AUTHORITY: Final = "S-1-5-21-1004336348-1177238915-682003330"
_TRASH: Final = 200


class Item:
    """A file or a folder. Its name needs no escape in JSON."""

    __slots__ = ("acl", "gone", "head", "home", "id", "kind", "name", "ordinal", "parent", "size", "stamp")

    def __init__(
        self,
        kind: str,
        name: str,
        parent: Item | None,
        home: Department,
        *,
        ordinal: int,
        id: int,  # noqa: A002 - the wire's word
        size: int = 0,
        acl: str,
        stamp: str,
        head: str = "",
    ) -> None:
        self.kind = kind
        self.name = name
        self.parent = parent
        self.home = home
        self.ordinal = ordinal
        self.id = id
        self.size = size
        self.acl = acl
        self.stamp = stamp
        self.gone = False
        self.head = head
        """What never changes of its states, as JSON."""


class Project:
    """A folder of a department, with what is in it, while people work on it and after that."""

    __slots__ = ("ends", "files", "folder", "folders", "home", "serial")

    def __init__(self, home: Department, folder: Item, ends: int) -> None:
        self.home = home
        self.folder = folder
        self.folders = [folder]
        self.files: list[Item] = []
        self.serial = 0
        self.ends = ends
        """Second since 1970 at which the work ends."""

    def __len__(self) -> int:
        return len(self.files) + len(self.folders)


class Person:
    """Someone who works for one department, on a few projects at a time."""

    __slots__ = ("home", "projects", "rid")

    def __init__(self, home: Department, rid: int) -> None:
        self.home = home
        self.rid = rid
        """Last part of the security identifier."""
        self.projects: list[Project] = []


class Department:
    """A cloud folder and those who work on it."""

    def __init__(self, cloud_folder: CloudFolder, root_ordinal: int, number: int, offset_h: int) -> None:
        self.cloud_folder = cloud_folder
        self.uid = cloud_folder.uid
        self.offset_h = offset_h
        self.wire = f'"folder_id":{cloud_folder.uid},"virtual_portal_id":"{cloud_folder.tenant}",'
        group = f"{_AUTHORITY}-{1200 + number}"
        self.acl = f"O:{_AUTHORITY}-500G:DUD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;{group})"
        """What its folders carry: system, administrators, and the department's group may write."""
        self.inherited = f"O:{_AUTHORITY}-500G:DUD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1301bf;;;{group})"
        """What its files carry: the same, inherited."""
        self.root = Item(
            "folder",
            cloud_folder.name,
            None,
            self,
            ordinal=root_ordinal,
            id=0,
            acl=self.acl,
            stamp="",
        )
        self.archive: Item | None = None
        self.projects: list[Project] = []
        self.archived: list[Project] = []
        self.people: list[Person] = []
        self.trash: deque[tuple[Project, Item]] = deque(maxlen=_TRASH)

    def shared_with(self, person: Person) -> str:
        """The descriptor of a folder that one more person may read."""
        return f"{self.acl}(A;OICI;0x1200a9;;;{_AUTHORITY}-{person.rid})"

    def opened(self, item: Item) -> str:
        """The descriptor of an item that everyone may change."""
        flags = "OICI" if item.kind == "folder" else "ID"
        return f"{item.acl}(A;{flags};0x1301bf;;;WD)"
