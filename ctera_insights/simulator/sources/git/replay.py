"""Commits become operations on a world: files and folders made, written, renamed, moved, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctera_insights.simulator.sources.git.log import SUBMODULE
from ctera_insights.simulator.sources.git.moves import FolderMove, FolderMoves
from ctera_insights.simulator.sources.git.tree import File, Folder, ancestors
from ctera_insights.simulator.sources.names import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ctera_insights.simulator.sources.git.log import Change, Commit
    from ctera_insights.simulator.world import Node, World


class Replay:
    """The tree at the commit replayed last, and the world that shows it.

    Args:
        world: what the commits change.
        node: the folder that stands for the root of the repository.
    """

    def __init__(self, world: World, node: Node) -> None:
        self.root = Folder(node)
        self.files: dict[int, File] = {}
        """By the wire's ``id``."""
        self._world = world

    def apply(self, commit: Commit) -> None:
        """Carry out one commit."""
        _Step(self, self._world, commit).run()


class _Step:
    """One commit on its way into the world."""

    def __init__(self, replay: Replay, world: World, commit: Commit) -> None:
        self.root = replay.root
        self.known = replay.files
        self.world = world
        self.at = commit.at
        self.sizes = commit.sizes
        self.changes = commit.changes
        self.left: set[Folder] = set()

    def run(self) -> None:
        moves = FolderMoves(self.root, self.changes)
        deletes, renames, adds, edits = self._sort(moves)
        for change in deletes:
            self._delete(change.path)
        if moves:
            # What is emptied below a folder goes before the folder moves: git never had it at the new place.
            self._prune(_above([*adds, *renames]), moves.destination)
        pending: list[FolderMove | Change] = [*moves, *renames]
        while pending:
            waiting = [step for step in pending if not self._move(step)]
            if len(waiting) == len(pending):
                adds.append(self._give_up(waiting))
            pending = waiting
        self._prune(_above(adds), lambda path: path)
        for change in edits:
            self._edit(change)
        for change in adds:
            self._add(change)

    def _sort(self, moves: FolderMoves) -> tuple[list[Change], list[Change], list[Change], list[Change]]:
        """Sort the changes into deletions, single renames, additions, and edits where the file is by then."""
        deletes: dict[bytes, Change] = {}
        renames: list[Change] = []
        adds: dict[bytes, Change] = {}
        edits: list[Change] = []
        for change in self.changes:
            if change.status == "D":
                deletes[change.path] = change
            elif change.status == "A":
                adds[change.path] = change
            elif (change.mode == SUBMODULE) != (change.was_mode == SUBMODULE):
                deletes[change.path] = adds[change.to or change.path] = change
            elif change.to is not None and change.to != moves.destination(change.path):
                renames.append(change)
            elif (change.blob, change.mode) != (change.was_blob, change.was_mode):
                edits.append(change)
        for path in list(deletes) if moves else ():
            there = moves.destination(path)
            if there in adds and _same_kind(deletes[path], adds[there]):
                edits.append(adds.pop(there))
                del deletes[path]
        return list(deletes.values()), renames, list(adds.values()), edits

    def _delete(self, path: bytes) -> None:
        folder, name = self.root.place(path)
        file = folder.take_file(name)
        self.left.add(folder)
        self.known.pop(file.node.id, None)
        self.world.delete(file.node, at=self.at)

    def _move(self, step: FolderMove | Change) -> bool:
        """Carry out a rename, unless something that will itself go away is still in its place."""
        to = step.new if isinstance(step, FolderMove) else step.to
        assert to is not None
        if not self._make_room(to):
            return False
        above, _, name = to.rpartition(b"/")
        target = self._folder(above)
        source, old_name = self.root.place(step.old if isinstance(step, FolderMove) else step.path)
        self.left.add(source)
        if isinstance(step, FolderMove):
            folder = source.take_folder(old_name)
            self._place(folder.node, target, name, keep=name == old_name)
            target.put_folder(name, folder)
            return True
        file = source.take_file(old_name)
        self._place(file.node, target, name, keep=name == old_name)
        target.put_file(name, file)
        if step.blob != file.blob or step.mode != file.mode:
            self._write(file, step)
        return True

    def _place(self, node: Node, target: Folder, name: bytes, *, keep: bool) -> None:
        assert target.node.children is not None
        text = node.name if keep and node.name not in target.node.children else self._text(name, target)
        self.world.move(node, target.node, text, at=self.at)

    def _make_room(self, path: bytes) -> bool:
        """Say whether a path is free, after removing an emptied folder that holds its name."""
        folder = self.root
        *above, last = path.split(b"/")
        for name in above:
            if name in folder.files:
                return False
            below = folder.folders.get(name)
            if below is None:
                return True
            folder = below
        if last in folder.files:
            return False
        emptied = folder.folders.get(last)
        if emptied is None:
            return True
        if emptied.total:
            return False
        self._remove(emptied)
        return True

    def _give_up(self, waiting: list[FolderMove | Change]) -> Change:
        """Break a circle of paths in one another's way: one file is deleted and made anew."""
        change = next(step for step in waiting if not isinstance(step, FolderMove))
        waiting.remove(change)
        self._delete(change.path)
        return change

    def _prune(self, needed: set[bytes], later: Callable[[bytes], bytes | None]) -> None:
        """Delete the folders that hold no file any more and get none.

        Args:
            needed: paths of folders that files arrive in.
            later: where a folder will be by then; ``None`` leaves it for now.
        """
        for left in self.left:
            top: Folder | None = None
            folder = left
            while folder.parent is not None and folder.total == 0:
                there = later(folder.path)
                if there is None or there in needed:
                    break
                top = folder
                folder = folder.parent
            if top is not None and not top.node.deleted:
                self._remove(top)

    def _remove(self, folder: Folder) -> None:
        assert folder.parent is not None
        folder.parent.take_folder(folder.name)
        self.world.delete(folder.node, at=self.at)

    def _edit(self, change: Change) -> None:
        folder, name = self.root.place(change.to or change.path)
        self._write(folder.files[name], change)

    def _write(self, file: File, change: Change) -> None:
        file.blob = change.blob
        file.mode = change.mode
        if change.mode != SUBMODULE:
            size = self.sizes.get(change.blob, file.node.size)
            self.world.write(file.node, size=size, at=self.at)

    def _add(self, change: Change) -> None:
        above, _, name = (change.to or change.path).rpartition(b"/")
        folder = self._folder(above)
        node = self.world.create(
            folder.node,
            self._text(name, folder),
            type="folder" if change.mode == SUBMODULE else "file",
            size=self.sizes.get(change.blob, 0),
            at=self.at,
        )
        file = File(node, change.mode, change.blob)
        folder.put_file(name, file)
        if change.mode != SUBMODULE:
            self.known[node.id] = file

    def _folder(self, path: bytes) -> Folder:
        """Give a folder, made when it is not there."""
        folder = self.root
        for name in path.split(b"/") if path else ():
            below = folder.folders.get(name)
            if below is None:
                node = self.world.create(folder.node, self._text(name, folder), type="folder", at=self.at)
                below = Folder(node, name)
                folder.put_folder(name, below)
            folder = below
        return folder

    @staticmethod
    def _text(name: bytes, folder: Folder) -> str:
        assert folder.node.children is not None
        return visible(name, folder.node.children)


def _above(changes: Iterable[Change]) -> set[bytes]:
    """Give the paths of all folders above the places where files arrive."""
    return {folder for change in changes for folder in ancestors(change.to or change.path)}


def _same_kind(gone: Change, come: Change) -> bool:
    return (gone.was_mode == SUBMODULE) == (come.mode == SUBMODULE)
