"""The tree of a commit as it is replayed: git knows files only, so folders are kept here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctera_insights.simulator.world import Node


class File:
    """A file, a symbolic link, or a submodule (whose node is an empty folder)."""

    __slots__ = ("blob", "mode", "node")

    def __init__(self, node: Node, mode: int, blob: bytes) -> None:
        self.node = node
        self.mode = mode
        self.blob = blob


class Folder:
    """A directory. ``total`` counts the files in it and below it; git has no folder without any."""

    __slots__ = ("files", "folders", "name", "node", "parent", "total")

    def __init__(self, node: Node, name: bytes = b"", parent: Folder | None = None) -> None:
        self.node = node
        self.name = name
        self.parent = parent
        self.folders: dict[bytes, Folder] = {}
        self.files: dict[bytes, File] = {}
        self.total = 0

    @property
    def path(self) -> bytes:
        """Path below the root, which has an empty one."""
        names = []
        folder = self
        while folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return b"/".join(reversed(names))

    def folder(self, path: bytes) -> Folder | None:
        """Find a folder below this one by its path."""
        found: Folder | None = self
        for name in path.split(b"/") if path else ():
            if found is None:
                return None
            found = found.folders.get(name)
        return found

    def place(self, path: bytes) -> tuple[Folder, bytes]:
        """Give the folder that holds a file, and the file's name in it; the file must exist."""
        above, _, name = path.rpartition(b"/")
        folder = self.folder(above)
        assert folder is not None
        return folder, name

    def take_file(self, name: bytes) -> File:
        """Remove a file from this folder."""
        file = self.files.pop(name)
        self._count(-1)
        return file

    def put_file(self, name: bytes, file: File) -> None:
        """Put a file into this folder."""
        self.files[name] = file
        self._count(+1)

    def take_folder(self, name: bytes) -> Folder:
        """Remove a folder, with what is below it, from this folder."""
        folder = self.folders.pop(name)
        folder.parent = None
        self._count(-folder.total)
        return folder

    def put_folder(self, name: bytes, folder: Folder) -> None:
        """Put a folder, with what is below it, into this folder."""
        self.folders[name] = folder
        folder.name = name
        folder.parent = self
        self._count(folder.total)

    def walk(self, above: bytes = b"") -> Iterator[tuple[bytes, File]]:
        """Give every file below, with its path."""
        for name, file in self.files.items():
            yield above + name, file
        for name, folder in self.folders.items():
            yield from folder.walk(above + name + b"/")

    def _count(self, change: int) -> None:
        folder: Folder | None = self
        while folder is not None:
            folder.total += change
            folder = folder.parent


def ancestors(path: bytes) -> Iterator[bytes]:
    """Give the path of every folder above a path, the nearest first, the root (empty) not."""
    while (cut := path.rfind(b"/")) >= 0:
        path = path[:cut]
        yield path
