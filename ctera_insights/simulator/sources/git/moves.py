"""Folders that moved as a whole, told from the files that git saw moving."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ctera_insights.simulator.sources.git.tree import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctera_insights.simulator.sources.git.log import Change
    from ctera_insights.simulator.sources.git.tree import Folder


class FolderMove(NamedTuple):
    """A folder that has another path after a commit."""

    old: bytes
    new: bytes

    def below(self, path: bytes) -> bytes | None:
        """Give where the folder's move takes a path, or ``None`` for a path outside of it."""
        return self.new + path[len(self.old) :] if path.startswith(self.old + b"/") else None


class FolderMoves:
    """The folders that a commit moved as a whole, the topmost ones, in the order to carry them out.

    A folder moved when the commit leaves nothing below its old path, the new path was no folder before, and
    each file below went to the same place below the new path. Files that the commit deletes may be missing
    there, as long as more than half went along.

    Args:
        root: the tree before the commit.
        changes: what the commit changed, with git's guess of the files renamed.
    """

    def __init__(self, root: Folder, changes: Sequence[Change]) -> None:
        accepted = _find(root, changes)
        self._by_old = {move.old: move for move in accepted}

    def __iter__(self) -> Iterator[FolderMove]:
        return iter(self._by_old.values())

    def __len__(self) -> int:
        return len(self._by_old)

    def destination(self, path: bytes) -> bytes | None:
        """Give where the move of a folder above takes a path, or ``None`` when it stays where it is."""
        for above in ancestors(path) if self._by_old else ():
            if above in self._by_old:
                return self._by_old[above].below(path)
        return None


def _find(root: Folder, changes: Sequence[Change]) -> list[FolderMove]:
    together: Counter[FolderMove] = Counter()
    deleted: Counter[bytes] = Counter()
    arriving: set[bytes] = set()
    for change in changes:
        if change.to is not None:
            together.update(_candidates(change.path, change.to))
            arriving.update(ancestors(change.to))
        elif change.status == "D":
            deleted.update(ancestors(change.path))
        elif change.status == "A":
            arriving.update(ancestors(change.path))
    accepted: list[FolderMove] = []
    for move, files in sorted(
        together.items(), key=lambda item: (item[0].old.count(b"/"), -item[1], item[0])
    ):
        folder = root.folder(move.old)
        if (
            folder is not None
            and move.old not in arriving
            and files + deleted[move.old] == folder.total
            and 2 * files > folder.total
            and root.folder(move.new) is None
            and not any(_in_the_way(root, move, other) for other in accepted)
        ):
            accepted.append(move)
    accepted.sort(key=lambda move: move.new.count(b"/"))
    return accepted


def _candidates(old: bytes, new: bytes) -> list[FolderMove]:
    """Name the folder moves that would explain a file's: those with the same path below them."""
    found = []
    above, below = old.split(b"/"), new.split(b"/")
    while above and below and above.pop() == below.pop() and above and below:
        found.append(FolderMove(b"/".join(above), b"/".join(below)))
    return found


def _in_the_way(root: Folder, move: FolderMove, other: FolderMove) -> bool:
    """Say whether a move accepted before already explains this one, or needs its place."""
    if move.new == other.new or move.old == other.old or other.below(move.old):
        return True
    for outer, inner in ((move, other), (other, move)):
        if inner.new.startswith(outer.new + b"/"):
            return root.folder(outer.old + inner.new[len(outer.new) :]) is not None
    return False
