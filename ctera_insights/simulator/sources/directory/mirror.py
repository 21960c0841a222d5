"""What is known of the tree: every entry with its place, its identity and the object that shows it."""

from __future__ import annotations

import os
from math import inf
from typing import TYPE_CHECKING

from ctera_insights.simulator.sources.directory.scan import FOLDER, moment
from ctera_insights.simulator.sources.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctera_insights.simulator.sources.directory.scan import Look
    from ctera_insights.simulator.world import Node, World


class Entry:
    """A file, folder or link at its place in the mirror."""

    __slots__ = (
        "children",
        "ctime_ns",
        "identity",
        "kind",
        "mtime_ns",
        "name",
        "node",
        "parent",
        "seen",
        "size",
    )

    def __init__(self, name: str, parent: Entry | None, seen: Look, node: Node, *, at: float) -> None:
        self.name = name
        self.parent = parent
        self.node = node
        self.kind = seen.kind
        self.seen = at
        self.children: dict[str, Entry] | None = {} if seen.kind == FOLDER else None
        self.note(seen)

    def note(self, seen: Look) -> None:
        """Remember how it looks."""
        self.kind = seen.kind
        self.identity = seen.identity
        self.size = seen.size
        self.mtime_ns = seen.mtime_ns
        self.ctime_ns = seen.ctime_ns

    def child(self, name: str) -> Entry | None:
        """Give what is known under a name in this folder."""
        return None if self.children is None else self.children.get(name)

    def folders(self) -> Iterator[Entry]:
        """Give this folder and every one below it, upper ones first."""
        level = [self]
        while level:
            yield from level
            level = [
                below
                for folder in level
                for below in (folder.children or {}).values()
                if below.children is not None
            ]

    def walk(self) -> Iterator[Entry]:
        """Give this entry and everything below it."""
        stack = [self]
        while stack:
            entry = stack.pop()
            yield entry
            stack.extend((entry.children or {}).values())

    def within(self, other: Entry) -> bool:
        """Say whether this is another entry or lies below it."""
        step: Entry | None = self
        while step is not None and step is not other:
            step = step.parent
        return step is other


class Mirror:
    """The entries, and the operations that keep them and the world alike.

    Args:
        path: the directory at the top.
        top: how it looks.
        world: what shows the tree.
        node: the object that stands for the directory.
    """

    def __init__(self, path: str, top: Look, world: World, node: Node) -> None:
        self.path = path
        self.root = Entry("", None, top, node, at=-inf)
        self.by_file_id: dict[int, Entry] = {}
        """Files and links by the wire's ``id``."""
        self._world = world
        self._by_identity: dict[int, list[Entry]] = {}

    def place(self, entry: Entry) -> str:
        """Give the path of an entry."""
        names = []
        step = entry
        while step.parent is not None:
            names.append(step.name)
            step = step.parent
        return os.path.join(self.path, *reversed(names))  # noqa: PTH118 - names are not always text

    def of_identity(self, identity: int) -> list[Entry]:
        """Give every entry known to be one object of the file system (more than one for hard links)."""
        return self._by_identity.get(identity, [])

    def create(self, folder: Entry, name: str, seen: Look, *, at: float, live: bool) -> Entry:
        """Add what was found.

        Args:
            folder: where.
            name: its name there.
            seen: how it looks.
            at: reading of the monotonic clock; minus infinity for the inventory.
            live: whether it happens now, or has been there since its ``ctime``.
        """
        node = self._world.create(
            folder.node,
            self._text(folder, name),
            type="folder" if seen.kind == FOLDER else "file",
            size=seen.size,
            at=None if live else moment(seen.ctime_ns),
            file_timestamp=moment(seen.mtime_ns),
        )
        entry = Entry(name, folder, seen, node, at=at)
        assert folder.children is not None
        folder.children[name] = entry
        self._index(entry)
        if seen.kind != FOLDER:
            self.by_file_id[node.id] = entry
        return entry

    def write(self, entry: Entry, seen: Look) -> None:
        """Give a file the content that was found, be it in another object of the file system."""
        if seen.identity != entry.identity:
            self._forget(entry)
            entry.identity = seen.identity
            self._index(entry)
        entry.note(seen)
        self._world.write(entry.node, size=seen.size, file_timestamp=moment(seen.mtime_ns))

    def move(self, entry: Entry, folder: Entry, name: str) -> None:
        """Put an entry, with what is below it, elsewhere; the place must be free."""
        assert entry.parent is not None
        assert entry.parent.children is not None
        assert folder.children is not None
        del entry.parent.children[entry.name]
        same = name == entry.name and entry.node.name not in (folder.node.children or {})
        text = entry.node.name if same else self._text(folder, name, besides=entry)
        self._world.move(entry.node, folder.node, text)
        entry.name = name
        entry.parent = folder
        folder.children[name] = entry

    def delete(self, entry: Entry) -> None:
        """Remove an entry, with what is below it."""
        assert entry.parent is not None
        assert entry.parent.children is not None
        self._world.delete(entry.node)
        for gone in entry.walk():
            self._forget(gone)
            self.by_file_id.pop(gone.node.id, None)
        del entry.parent.children[entry.name]

    @staticmethod
    def _text(folder: Entry, name: str, besides: Entry | None = None) -> str:
        raw = os.fsencode(name)
        if besides is not None and besides.parent is folder and visible(raw, ()) == besides.node.name:
            return besides.node.name
        return visible(raw, folder.node.children or ())

    def _index(self, entry: Entry) -> None:
        self._by_identity.setdefault(entry.identity, []).append(entry)

    def _forget(self, entry: Entry) -> None:
        known = self._by_identity.get(entry.identity)
        if known is not None and entry in known:
            known.remove(entry)
            if not known:
                del self._by_identity[entry.identity]
