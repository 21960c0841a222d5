"""The tree as it is, compared with the tree as it was: what differs becomes operations."""

from __future__ import annotations

import os
import time
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Final

from ctera_insights.simulator.sources.directory.born import born_ns
from ctera_insights.simulator.sources.directory.habits import YOUNG_S, is_backup, is_temporary
from ctera_insights.simulator.sources.directory.scan import FOLDER, Look, listing, look

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctera_insights.simulator.sources.directory.mirror import Entry, Mirror

PATIENCE_S: Final = 0.25
"""How long an entry may be missing before it counts as deleted: the other half of its move may come yet."""

_ROUNDS: Final = 1000

Place = tuple["Entry", str]


class Reconciler:
    """Brings a mirror up to date, one batch of doubtful directories after another.

    Identity decides what happened: an object of the file system that is found under another path was renamed
    or moved, unless it was born after the known one last changed (the number of a deleted file, given out
    again). A new object under a known path is that file, written.
    """

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.missing: dict[Entry, float] = {}
        """Entries not found where they were, with the time at which they count as deleted."""
        self._lock = Lock()
        self._dirty: dict[Entry, set[str] | None] = {}
        self._compared: set[Entry] = set()
        self._arrived: dict[Place, Look] = {}

    def update(self, paths: Iterable[str] | None, *, patience_s: float = PATIENCE_S) -> None:
        """Look where something may have changed, and carry out what differs.

        Args:
            paths: where; ``None`` looks through the whole tree.
            patience_s: how long an entry may be missing before it counts as deleted.
        """
        with self._lock:
            if paths is None:
                for folder in self.mirror.root.folders():
                    self._doubt_whole(folder)
            else:
                for path in paths:
                    self._doubt(path)
            self._run(patience_s)

    def _doubt(self, path: str) -> None:
        mirror = self.mirror
        if not path.startswith(mirror.path.rstrip("/") + "/"):
            self._doubt_whole(mirror.root)
            return
        *above, last = path[len(mirror.path.rstrip("/")) + 1 :].split("/")
        folder = mirror.root
        for name in above:
            below = folder.child(name)
            if below is None or below.children is None:
                self._doubt_names(folder, name)
                return
            folder = below
        self._doubt_names(folder, last)
        known = folder.child(last)
        if known is not None and known.children is not None:
            self._doubt_whole(known)

    def _run(self, patience_s: float) -> None:
        self._compared.clear()
        for _ in range(_ROUNDS):
            while self._dirty:
                folder = next(iter(self._dirty))
                self._compare(folder, self._dirty.pop(folder), time.monotonic() + patience_s)
            moves = self._plan()
            if not (self._settle(moves) or self._make_way(moves)):
                break
        for (folder, name), seen in self._arrived.items():
            self._replace(folder, name, seen)
        self._arrived.clear()
        now = time.monotonic()
        for entry, until in list(self.missing.items()):
            if entry in self.missing and (until <= now or not patience_s):
                self._give_up(entry)

    def _doubt_whole(self, folder: Entry) -> None:
        self._dirty[folder] = None

    def _doubt_names(self, folder: Entry, name: str) -> None:
        names = self._dirty.setdefault(folder, set())
        if names is not None:
            names.add(name)

    def _compare(self, folder: Entry, names: set[str] | None, until: float) -> None:
        """Find what differs between a folder and its entries: all of them, or those of some names."""
        if folder.node.deleted:
            return
        self._compared.add(folder)
        known = folder.children
        assert known is not None
        found = self._look_into(folder, names)
        if found is None:
            if folder.parent is not None and folder.parent not in self._compared:
                self._doubt_whole(folder.parent)
            return
        for name, seen in found.items():
            entry = known.get(name)
            if entry is not None and (entry.identity, entry.kind) == (seen.identity, seen.kind):
                self._arrived.pop((folder, name), None)
                self.missing.pop(entry, None)
                self._update(entry, seen)
                continue
            self._arrived[folder, name] = seen
            if entry is not None:
                self.missing.setdefault(entry, until)
        for name in (known.keys() if names is None else names) - found.keys():
            self._arrived.pop((folder, name), None)
            entry = known.get(name)
            if entry is not None:
                self.missing.setdefault(entry, until)

    def _look_into(self, folder: Entry, names: set[str] | None) -> dict[str, Look] | None:
        """Look at a folder's content; ``None`` when another one, or nothing readable, is in its place."""
        place = self.mirror.place(folder)
        if folder.parent is not None:
            here = look(place)
            if here is None or here.identity != folder.identity:
                return None
        if names is None or len(names) > len(folder.children or ()):
            found = listing(place)
            return found if found is None or names is None else {n: found[n] for n in names & found.keys()}
        return {name: seen for name in names if (seen := look(_join(place, name))) is not None}

    def _update(self, entry: Entry, seen: Look) -> None:
        """Take over what changed of an entry that is still in its place."""
        if entry.kind == FOLDER:
            if seen.mtime_ns != entry.mtime_ns and entry not in self._compared:
                self._doubt_whole(entry)
            entry.note(seen)
        elif (seen.size, seen.mtime_ns) != (entry.size, entry.mtime_ns):
            self.mirror.write(entry, seen)
        else:
            entry.note(seen)

    def _plan(self) -> dict[Entry, Place]:
        """Recognise the known entries among the arrivals: what moves, and where to."""
        moves: dict[Entry, Place] = {}
        for (folder, name), seen in list(self._arrived.items()):
            if folder.node.deleted:
                del self._arrived[folder, name]
                continue
            for entry in self.mirror.of_identity(seen.identity):
                if entry not in moves and self._is_the_same(entry, folder, name, seen):
                    moves[entry] = (folder, name)
                    break
        return moves

    def _is_the_same(self, entry: Entry, folder: Entry, name: str, seen: Look) -> bool:
        """Say whether a known entry is what was found at another place."""
        if entry.kind != seen.kind or folder.within(entry):
            return False
        if entry not in self.missing:
            here = look(self.mirror.place(entry))
            if here is not None and here.identity == entry.identity:
                return False  # a hard link: both are there
            self.missing[entry] = time.monotonic() + PATIENCE_S
        if entry.parent is folder and is_backup(name, entry.name) and (folder, entry.name) in self._arrived:
            return False
        place = _join(self.mirror.place(folder), name)
        born = born_ns(place)
        if born is not None:
            return born <= entry.ctime_ns
        if entry.kind != FOLDER:
            return (seen.size, seen.mtime_ns) == (entry.size, entry.mtime_ns)
        inside = listing(place) or {}
        known = entry.children or {}
        return not (inside or known) or any(
            name in inside and inside[name].identity == below.identity for name, below in known.items()
        )

    def _settle(self, moves: dict[Entry, Place]) -> bool:
        """Carry out everything that nothing stands in the way of; say whether that was anything."""
        settled = False
        going = set(moves.values())
        for (folder, name), seen in list(self._arrived.items()):
            if (folder, name) not in going and folder.child(name) is None:
                self._create(folder, name, seen)
                settled = True
        again = True
        while again:
            again = False
            for entry, (folder, name) in list(moves.items()):
                if folder.child(name) is None and not folder.within(entry):
                    self._move(entry, folder, name)
                    del moves[entry]
                    settled = again = True
        return settled

    def _make_way(self, moves: dict[Entry, Place]) -> bool:
        """Remove one thing that stands in the way of another; say whether there was one."""
        for entry, (folder, name) in moves.items():
            occupant = folder.child(name)
            if occupant is None or occupant in moves:
                continue
            if self._is_a_save(entry, occupant):
                seen = self._arrived.pop((folder, name))
                self._delete(entry)
                self._write(occupant, seen)
            else:
                self._delete(occupant)
            return True
        for folder, name in moves.values():
            occupant = folder.child(name)
            if occupant is not None and occupant.parent is not None:
                # Names that change places in a circle pass through one more, as they did on the disk.
                aside = (f".{occupant.name}.{n}" for n in count())
                above = occupant.parent
                self.mirror.move(occupant, above, next(name for name in aside if above.child(name) is None))
                return True
        for (folder, name), seen in self._arrived.items():
            occupant = folder.child(name)
            if occupant is not None and seen.kind == FOLDER:
                self._delete(occupant)
                return True
        return False

    def _is_a_save(self, entry: Entry, occupant: Entry) -> bool:
        return (
            FOLDER not in {entry.kind, occupant.kind}
            and entry.parent is occupant.parent
            and entry.seen > time.monotonic() - YOUNG_S
            and is_temporary(entry.name, occupant.name)
        )

    def _create(self, folder: Entry, name: str, seen: Look) -> None:
        del self._arrived[folder, name]
        entry = self.mirror.create(folder, name, seen, at=time.monotonic(), live=True)
        if seen.kind == FOLDER:
            self._doubt_whole(entry)

    def _move(self, entry: Entry, folder: Entry, name: str) -> None:
        seen = self._arrived.pop((folder, name))
        self.missing.pop(entry, None)
        self.mirror.move(entry, folder, name)
        if entry.kind == FOLDER:
            entry.note(seen)
            for below in entry.folders():
                self._compared.discard(below)
                self._doubt_whole(below)
        else:
            self._update(entry, seen)

    def _replace(self, folder: Entry, name: str, seen: Look) -> None:
        """Take a new object at a known path for the file there, written; unless that is a folder."""
        occupant = folder.child(name)
        if occupant is not None and occupant.kind != FOLDER:
            self._write(occupant, seen)
            return
        if occupant is not None:
            self._delete(occupant)
        self.mirror.create(folder, name, seen, at=time.monotonic(), live=True)

    def _write(self, entry: Entry, seen: Look) -> None:
        self.missing.pop(entry, None)
        self.mirror.write(entry, seen)

    def _give_up(self, entry: Entry) -> None:
        """Delete a missing entry, unless it is back in its place."""
        here = look(self.mirror.place(entry))
        if here is not None and here.identity == entry.identity:
            del self.missing[entry]
        else:
            self._delete(entry)

    def _delete(self, entry: Entry) -> None:
        for gone in entry.walk():
            self.missing.pop(gone, None)
        self.mirror.delete(entry)


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118 - names of files are not always text
