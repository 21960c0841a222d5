"""The folder tree of one feed as it changes: the path of any folder at any place in the order of changes.

Rules, each of which a test holds:

* A folder's timeline is its states in the order of ``pos``. Before its first state, the first one is assumed,
  but not deleted: so a parent that arrives after its children still gives them their path.
* The path of a folder that was never seen is ``?/<guid>``; what is below it goes on from there.
* A folder without a parent is a cloud folder's root, and its path is its name.
* A loop (folders moved into one another, as bad or half-told data has it) is cut at the member with the
  lowest guid, whose path is then ``?loop/<guid>/<name>``.
* A path longer than ``LONGEST_PATH`` begins anew: ``?deep/<guid>/<name>``; so the paths of a chain of folders
  take memory in proportion to the folders.
* A slash inside a name, which no Portal should send, is written as U+2215 in paths; no name at all as ``?``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

ROOT: Final = -1
"""Parent of a cloud folder's root."""
NOWHERE: Final = -2
"""Parent of a folder that no state ever placed."""
NEVER: Final = -1
"""The place of a deletion that did not happen."""
LONGEST_PATH: Final = 1 << 18
"""Characters of a folder's path: a thousand of the longest names; file systems end at 32,767."""


class Place(NamedTuple):
    """Where a folder is.

    Attributes:
        path: full path.
        missing: guid of the nearest unknown folder in it, or ``None``.
        cloud_folder: name of the cloud folder, or ``None`` where it is unknown.
        gone_pos: the latest deletion of the folder and all above it, or ``NEVER``.
    """

    path: str
    missing: str | None
    cloud_folder: str | None
    gone_pos: int


Update = tuple[int, int, int, str, bool]
"""A folder's new state: ``pos``, number, parent, name, deleted. A tombstone need not name the parent."""


class FolderTree:
    """Folders by dense number, with paths that are computed once and forgotten only when they change.

    Args:
        guids: of each folder; the index is its number.
        names: ``None`` for a folder that was never seen.
        parents: numbers, ``ROOT`` or ``NOWHERE``.
        deleted_pos: where it was deleted, or ``NEVER``.
    """

    def __init__(
        self,
        guids: Sequence[str],
        names: list[str | None],
        parents: list[int],
        deleted_pos: list[int],
    ) -> None:
        self.guids = guids
        self.names = names
        self.parents = parents
        self.deleted_pos = deleted_pos
        self._places: list[Place | None] = [None] * len(guids)
        self._dependents: dict[int, list[int]] = {}

    def place(self, node: int) -> Place:
        """Where a folder is now."""
        places = self._places
        known = places[node]
        if known is not None:
            return known
        parent = self.parents[node]
        if parent >= 0 and (above := places[parent]) is not None and self.names[node] is not None:
            return self._below(node, parent, above)
        return self._walk(node)

    def _walk(self, node: int) -> Place:
        way: list[int] = []
        on_way: set[int] = set()
        step = node
        while self._places[step] is None:
            parent = self.parents[step]
            if self.names[step] is None or parent < 0:
                self._places[step] = self._top(step, parent)
                break
            way.append(step)
            on_way.add(step)
            if parent in on_way:
                self._cut(way[way.index(parent) :])
                return self.place(node)
            step = parent
        above = self._places[step]
        assert above is not None
        for step in reversed(way):
            above = self._below(step, self.parents[step], above)
        return above

    def _below(self, node: int, parent: int, above: Place) -> Place:
        path, missing, cloud_folder, gone_pos = above
        path = f"{path}/{in_path(self.names[node])}"
        place = Place(
            path if len(path) <= LONGEST_PATH else self._anew(node),
            missing,
            cloud_folder,
            max(gone_pos, self.deleted_pos[node]),
        )
        self._places[node] = place
        self._dependents.setdefault(parent, []).append(node)
        return place

    def change(self, node: int, parent: int, name: str, deleted_pos: int) -> None:
        """Give a folder a new state."""
        self.parents[node] = parent
        self.names[node] = name
        self.deleted_pos[node] = deleted_pos
        stale = [node]
        while stale:
            each = stale.pop()
            if self._places[each] is not None:
                self._places[each] = None
                stale += self._dependents.pop(each, [])

    def _top(self, node: int, parent: int) -> Place:
        guid, name = self.guids[node], self.names[node]
        if name is None:
            return Place(f"?/{in_path(guid)}", guid, None, NEVER)
        name = in_path(name)
        if len(name) > LONGEST_PATH:
            return Place(self._anew(node), None, None, self.deleted_pos[node])
        if parent == ROOT:
            return Place(name, None, name, self.deleted_pos[node])
        return Place(f"?/{name}", None, None, self.deleted_pos[node])

    def _anew(self, node: int) -> str:
        """The beginning of a path in the middle of the tree."""
        guid, name = in_path(self.guids[node]), in_path(self.names[node])
        path = f"?deep/{guid}/{name}"
        return path if len(path) <= LONGEST_PATH else f"?deep/{guid}"

    def _cut(self, loop: list[int]) -> None:
        first = min(loop, key=lambda node: self.guids[node])
        path = f"?loop/{in_path(self.guids[first])}/{in_path(self.names[first])}"
        self._places[first] = Place(path, None, None, self.deleted_pos[first])
        for member in loop:
            if member != first:  # the cut ends when any member moves out
                self.place(member)
                self._dependents.setdefault(member, []).append(first)


def in_path(name: str | None) -> str:
    """A name as it stands in a path."""
    return name.replace("/", "∕") if name else "?"  # noqa: RUF001 - the point of it


class Timeline:
    """A tree and the updates to it, asked about places in between.

    Args:
        tree: the state before the first update; it ends as the state after the last.
        updates: in the order of ``pos``; those of one ``pos`` (a later inventory) happen together.
    """

    def __init__(self, tree: FolderTree, updates: Iterable[Update]) -> None:
        self._tree = tree
        links: list[tuple[int, int]] = [(n, p) for n, p in enumerate(tree.parents) if p >= 0]
        state = list(zip(tree.parents, tree.names, (pos != NEVER for pos in tree.deleted_pos), strict=True))
        self._steps: list[Update] = []
        for pos, node, told, name, deleted in updates:
            first = state[node][1] is None
            parent = told
            if deleted and told == ROOT:
                parent = NOWHERE if first else state[node][0]
            if first:
                tree.change(node, parent, name, NEVER)
                state[node] = (parent, name, False)
                links.append((node, parent))
            after = (parent, name, deleted)
            if state[node] != after:
                state[node] = after
                self._steps.append((pos, node, parent, name, deleted))
                links.append((node, parent))
        self._affected = _below(len(tree.guids), links, {node for _, node, *_ in self._steps})

    def places(
        self, nodes: NDArray[np.int64], positions: NDArray[np.int64], *, before: NDArray[np.bool_]
    ) -> tuple[list[Place], NDArray[np.int64]]:
        """Where folders are at given positions; may be asked once, and leaves the tree at its end.

        Args:
            nodes: folder numbers.
            positions: ``pos`` of each question.
            before: whether the state just before that position is meant, or the one behind it.

        Returns:
            Different places, and for each question the index of its answer.
        """
        steps = np.array([step[0] for step in self._steps], dtype=np.int64)
        moments = np.where(
            before, np.searchsorted(steps, positions, "left"), np.searchsorted(steps, positions, "right")
        )
        moments = np.where(self._affected[nodes], moments, 0)
        width = len(self._tree.guids) + 1
        questions, answers = np.unique(moments.astype(np.int64) * width + nodes, return_inverse=True)
        found: list[Place] = []
        done = 0
        place = self._tree.place
        for moment, node in zip((questions // width).tolist(), (questions % width).tolist(), strict=True):
            while done < moment:
                self._apply(self._steps[done])
                done += 1
            found.append(place(node))
        for step in self._steps[done:]:
            self._apply(step)
        return found, answers.astype(np.int64)

    def _apply(self, step: Update) -> None:
        pos, node, parent, name, deleted = step
        self._tree.change(node, parent, name, pos if deleted else NEVER)


def _below(count: int, links: Sequence[tuple[int, int]], changed: set[int]) -> NDArray[np.bool_]:
    """Which folders are, at any time, a changed one or below one."""
    affected = np.zeros(count, dtype=np.bool_)
    if not changed:
        return affected
    children: dict[int, list[int]] = {}
    for node, parent in links:
        children.setdefault(parent, []).append(node)
    waiting = list(changed)
    affected[waiting] = True
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if not affected[child]:
                affected[child] = True
                waiting.append(child)
    return affected
