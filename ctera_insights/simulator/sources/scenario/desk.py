"""Everyday work: what a person does to the files of a project, one thing at a time."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Final

import numpy as np

from ctera_insights.simulator.sources.scenario.words import (
    FIRST,
    KINDS,
    LARGEST_BYTES,
    LAST,
    MORE_FOLDERS,
    QUALIFIERS,
    SUBJECTS,
    Kind,
)

if TYPE_CHECKING:
    from ctera_insights.simulator.sources.scenario.company import Department, Item, Person, Project
    from ctera_insights.simulator.sources.scenario.ledger import Ledger

WRITE, CREATE, DELETE, RENAME, MOVE, FOLDER, RESTORE, SHARE = range(8)

_MIX: Final = np.array([0.54, 0.25, 0.08, 0.045, 0.035, 0.035, 0.007, 0.008])
_TABLE: Final = 8192
_LARGE_FOLDER: Final = 15
_MOST_FOLDERS: Final = 60
_COLLEAGUES: Final = 8


class Desk:
    """Carries out one thing at a time; draws names and sizes from tables made beforehand.

    Args:
        ledger: tells what is done.
        draw: chance.
        room: number of files at which as many are deleted as made.
    """

    def __init__(self, ledger: Ledger, draw: np.random.Generator, room: int) -> None:
        self.ledger = ledger
        self.room = room
        self._turn = 0
        colleagues = [f"{draw.choice(FIRST)} {draw.choice(LAST)}" for _ in range(_COLLEAGUES)]
        told_by = (*QUALIFIERS, *colleagues)
        kinds = draw.choice(len(KINDS), _TABLE, p=np.array([kind.share for kind in KINDS]))
        subjects, qualifiers = (
            draw.integers(0, len(SUBJECTS), _TABLE),
            draw.integers(0, len(told_by), _TABLE),
        )
        self._kinds = [KINDS[kind] for kind in kinds.tolist()]
        self._titles = [
            f"{SUBJECTS[subject]} {told_by[qualifier]}"
            for subject, qualifier in zip(subjects.tolist(), qualifiers.tolist(), strict=True)
        ]
        self._normal: list[float] = draw.standard_normal(_TABLE).tolist()
        self._change: list[float] = draw.lognormal(0.01, 0.08, _TABLE).tolist()

    def mix(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Cumulative shares of what is done now; fuller shares see more deletions."""
        mix = _MIX.copy()
        mix[DELETE] += (mix[CREATE] - mix[DELETE]) * min(1.5, (len(self.ledger.live) / self.room) ** 2)
        return np.cumsum(mix / mix.sum())

    def do(self, deed: int, person: Person, u1: float, u2: float, when: str) -> None:
        """Do one thing as a person.

        Args:
            deed: ``WRITE`` … ``SHARE``.
            person: who.
            u1: chance between 0 and 1, for the project.
            u2: chance between 0 and 1, for the file: near 0 is the newest.
            when: the moment, as the wire writes it.
        """
        projects = person.projects
        if not projects:
            return
        project = projects[int(u1 * len(projects))]
        files = project.files
        if deed == CREATE or not files:
            self.create(project, project.folders[int(u2 * len(project.folders))], when)
            return
        index = len(files) - 1 - int(len(files) * u2 * u2 * u2)
        item = files[index]
        if deed == WRITE:
            item.size = self._grown(item.size)
            item.stamp = when
            self.ledger.tell(item, when)
        elif deed == DELETE:
            self._delete(project, index, u1, when)
        elif deed == MOVE and len(project.folders) > 1:
            item.parent = self._elsewhere(project, item, u1)
            self.ledger.tell(item, when)
        elif deed in {RENAME, MOVE}:
            self._rename(project, item, u1, when)
        elif deed == FOLDER:
            self._folder(project, u2, when)
        elif deed == RESTORE:
            self._restore(person.home, when)
        else:
            folder = project.folders[int(u2 * len(project.folders))]
            shared = person.home.shared_with(person)
            folder.acl = person.home.acl if folder.acl == shared else shared
            self.ledger.tell(folder, when)

    def create(
        self, project: Project, folder: Item, when: str, *, stamp: str | None = None, kind: Kind | None = None
    ) -> Item:
        """Make a document in a folder of a project."""
        self._turn = turn = (self._turn + 1) % _TABLE
        project.serial += 1
        kind = kind or self._kinds[turn]
        size = int(kind.median_bytes * exp(kind.sigma * self._normal[turn])) + 1
        name = f"{self._titles[turn]} {project.serial}.{kind.extension}"
        item = self.ledger.make("file", name, folder, when, size=min(size, LARGEST_BYTES), stamp=stamp)
        project.files.append(item)
        return item

    def remove(self, project: Project, when: str, *, tombstones: bool) -> None:
        """Delete a project's folder with everything in it."""
        for item in (*project.folders, *project.files):
            self.ledger.delete(item, when, silently=not tombstones and item is not project.folder)
        project.files.clear()
        project.folders = [project.folder]

    def _grown(self, size: int) -> int:
        """Give the size of a file after some work on it; never the same."""
        self._turn = turn = (self._turn + 1) % _TABLE
        new = int(size * self._change[turn]) + 1
        if new == size or new > LARGEST_BYTES:
            return size + 1 if size < LARGEST_BYTES else size - 1
        return new

    def _delete(self, project: Project, index: int, u1: float, when: str) -> None:
        home = project.home
        if len(self.ledger.live) > self.room // 2 and home.archived and u1 < 0.4:
            old = home.archived[int(u1 / 0.4 * len(home.archived))]
            if old.files:
                project, index = old, len(old.files) - 1
        item = project.files.pop(index)
        self.ledger.delete(item, when)
        home.trash.append((project, item))

    def _rename(self, project: Project, item: Item, u1: float, when: str) -> None:
        self._turn = turn = (self._turn + 1) % _TABLE
        project.serial += 1
        if u1 < 0.08 and len(project.folders) > 1:
            item = project.folders[1 + turn % (len(project.folders) - 1)]
            item.name = f"{MORE_FOLDERS[turn % len(MORE_FOLDERS)]} {project.serial}"
        else:
            item.name = f"{self._titles[turn]} {project.serial}.{item.name.rpartition('.')[2]}"
        self.ledger.tell(item, when)

    @staticmethod
    def _elsewhere(project: Project, item: Item, u1: float) -> Item:
        """Choose a folder of the project that the item is not in."""
        index = int(u1 * len(project.folders))
        folder = project.folders[index]
        return folder if folder is not item.parent else project.folders[index - 1]

    def _folder(self, project: Project, u2: float, when: str) -> None:
        if len(project.folders) >= _MOST_FOLDERS:
            self._turn = turn = (self._turn + 1) % _TABLE
            if turn % 8 == 0:
                self._tidy(project, project.folders[1 + turn // 8 % (len(project.folders) - 1)], when)
            return
        project.serial += 1
        above = project.folders[int(u2 * len(project.folders))]
        name = f"{MORE_FOLDERS[project.serial % len(MORE_FOLDERS)]} {project.serial}"
        project.folders.append(self.ledger.make("folder", name, above, when))

    def _tidy(self, project: Project, folder: Item, when: str) -> None:
        """Delete a folder with little in it."""
        inside = [item for item in project.files if item.parent is folder]
        if len(inside) > _LARGE_FOLDER or any(below.parent is folder for below in project.folders):
            return
        project.folders.remove(folder)
        project.files = [item for item in project.files if item.parent is not folder]
        for item in (folder, *inside):
            self.ledger.delete(item, when)

    def _restore(self, home: Department, when: str) -> None:
        while home.trash:
            project, item = home.trash.pop()
            if item.gone and item.parent is not None and not item.parent.gone:
                project.files.append(item)
                self.ledger.restore(item, when)
                return
