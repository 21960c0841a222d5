"""What goes wrong: planted in the everyday work, and written down so that detections can be judged."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

from ctera_insights.simulator.sources.scenario.words import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    import numpy as np

    from ctera_insights.simulator.sources.scenario.company import Department, Item, Project
    from ctera_insights.simulator.sources.scenario.desk import Desk
    from ctera_insights.simulator.sources.scenario.office import Office

EXTENSION: Final = "locked"
"""What the ransomware puts behind every name."""
NOTE: Final = "HOW_TO_RECOVER_YOUR_FILES.txt"
"""What it leaves in every folder."""

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600

T = TypeVar("T")


@dataclass(slots=True)
class Incident:
    """Something that was planted.

    Attributes:
        kind: ``mass-deletion``, ``mass-rename``, ``ransomware``, ``growth``, ``permission-opening``, or
            ``restore``, which repairs a deletion or an encryption.
        start: the first state that belongs to it (UTC).
        end: the last one so far.
        cloud_folders: names of the cloud folders that it strikes.
        folder_ids: their uids.
        count: states that belong to it so far: 0 before it has happened.
    """

    kind: str
    start: datetime
    end: datetime
    cloud_folders: tuple[str, ...]
    folder_ids: tuple[int, ...]
    count: int = 0


class Incidents:
    """The agenda of what goes wrong.

    Args:
        desk: carries it out.
        office: where.
        draw: chance.
    """

    def __init__(self, desk: Desk, office: Office, draw: np.random.Generator) -> None:
        self.planted: list[Incident] = []
        self._desk = desk
        self._ledger = desk.ledger
        self._office = office
        self._draw = draw
        self._agenda: list[tuple[int, int, Iterator[int], Incident]] = []
        self._numbers = count()
        self._plans: dict[str, Callable[[int], None]] = {
            "mass-deletion": self._plan_deletion,
            "mass-rename": self._plan_rename,
            "permission-opening": self._plan_opening,
            "ransomware": self._plan_ransomware,
            "growth": self._plan_growth,
        }

    @property
    def due(self) -> float:
        """The second at which the next step is due; infinity when nothing is planned."""
        return self._agenda[0][0] if self._agenda else float("inf")

    def plan(self, kind: str, second: int) -> None:
        """Plan an incident for the first fitting hour after a moment."""
        self._plans[kind](second)

    def run(self) -> None:
        """Carry out the next step."""
        second, number, steps, incident = heapq.heappop(self._agenda)
        before = self._ledger.told
        following = next(steps, None)
        if self._ledger.told > before:
            moment = datetime.fromtimestamp(second, UTC)
            incident.start = incident.start if incident.count else moment
            incident.end = moment
            incident.count += self._ledger.told - before
        if following is not None:
            heapq.heappush(self._agenda, (following, number, steps, incident))

    def _plant(self, kind: str, second: int, homes: list[Department], steps: Iterator[int]) -> None:
        moment = datetime.fromtimestamp(second, UTC)
        incident = Incident(
            kind,
            moment,
            moment,
            tuple(home.cloud_folder.name for home in homes),
            tuple(home.uid for home in homes),
        )
        self.planted.append(incident)
        heapq.heappush(self._agenda, (second, next(self._numbers), steps, incident))

    def _plan_deletion(self, second: int) -> None:
        home = self._a_home()
        start = _local(home, second, weekdays=range(5), hour=16) + 11 * _MINUTE_S
        self._plant("mass-deletion", start, [home], self._delete(home, start))

    def _plan_rename(self, second: int) -> None:
        home = self._a_home()
        start = _local(home, second, weekdays=range(5), hour=14) + 23 * _MINUTE_S
        self._plant("mass-rename", start, [home], self._rename(home, start))

    def _plan_opening(self, second: int) -> None:
        home = self._a_home()
        start = _local(home, second, weekdays=range(5), hour=11) + 5 * _MINUTE_S
        self._plant("permission-opening", start, [home], self._open(home, start))

    def _plan_ransomware(self, second: int) -> None:
        first = self._a_home()
        tenant = first.cloud_folder.tenant
        others = [h for h in self._office.departments if h is not first and h.cloud_folder.tenant == tenant]
        homes = [first, *others[:1]]
        start = _local(first, second, weekdays=(5, 6), hour=2) + 37 * _MINUTE_S
        self._plant("ransomware", start, homes, self._encrypt(homes, start))

    def _plan_growth(self, second: int) -> None:
        home = self._a_home()
        start = _local(home, second, weekdays=range(5), hour=19) + 2 * _MINUTE_S
        self._plant("growth", start, [home], self._import(home, start))

    def _delete(self, home: Department, start: int) -> Iterator[int]:
        """Most files of a few projects go within minutes, one by one; the next day they are back."""
        victims: list[tuple[Project, Item]] = []
        for project in self._large(home):
            doomed = {item.ordinal for item in project.files if self._draw.random() < 0.8}
            victims += [(project, item) for item in project.files if item.ordinal in doomed]
            project.files = [item for item in project.files if item.ordinal not in doomed]
        second = start
        for second, some in _spread(victims, start, 7 * _MINUTE_S):
            yield second
            for _, item in some:
                self._ledger.delete(item, self._ledger.time(second))
        again = _local(home, second + 14 * _HOUR_S, weekdays=range(5), hour=9) + 41 * _MINUTE_S
        self._plant("restore", again, [home], self._restore(victims, again))

    def _restore(self, victims: list[tuple[Project, Item]], start: int) -> Iterator[int]:
        for second, some in _spread(victims, start, 11 * _MINUTE_S):
            yield second
            for project, item in some:
                if item.parent is not None and not item.parent.gone:
                    project.files.append(item)
                    self._ledger.restore(item, self._ledger.time(second))

    def _rename(self, home: Department, start: int) -> Iterator[int]:
        """Someone puts the same word before every name of a few projects."""
        files = [item for project in self._large(home) for item in project.files]
        for second, some in _spread(files, start, 4 * _MINUTE_S):
            yield second
            for item in some:
                if not item.gone:
                    item.name = f"OLD_{item.name}"
                    self._ledger.tell(item, self._ledger.time(second))

    def _open(self, home: Department, start: int) -> Iterator[int]:
        """The folders of a few projects, and what inherits from them, may be changed by everyone."""
        items = [item for project in self._large(home) for item in (*project.folders, *project.files)]
        for second, some in _spread(items, start, _MINUTE_S):
            yield second
            for item in some:
                if not item.gone:
                    item.acl = home.opened(item)
                    self._ledger.tell(item, self._ledger.time(second))

    def _encrypt(self, homes: list[Department], start: int) -> Iterator[int]:
        """Folder by folder, files are written anew, hardly larger, and get another extension."""
        by_folder: dict[Item, list[Item]] = {}
        for home in homes:
            for project in (*home.projects, *home.archived):
                for item in project.files:
                    if item.parent is not None and self._draw.random() < 0.7:
                        by_folder.setdefault(item.parent, []).append(item)
        folders = list(by_folder)
        order = self._draw.permutation(len(folders)).tolist()
        victims = [item for number in order for item in by_folder[folders[number]]]
        before = {item: (item.name, item.size, item.stamp) for item in victims}
        notes: dict[Item, Item] = {}
        second = start
        for second, some in _spread(victims, start, 35 * _MINUTE_S):
            yield second
            when = self._ledger.time(second)
            for item in some:
                if item.gone or item.parent is None:
                    continue
                self._ledger.write(item, item.size + 16 + int(self._draw.integers(512)), when)
                item.name = f"{item.name}.{EXTENSION}"
                self._ledger.tell(item, when)
                if item.parent not in notes:
                    notes[item.parent] = self._ledger.make("file", NOTE, item.parent, when, size=1337)
        again = _local(homes[0], second + 5 * _HOUR_S, weekdays=range(7), hour=13)
        self._plant("restore", again, homes, self._recover(before, list(notes.values()), again))

    def _recover(
        self, before: dict[Item, tuple[str, int, str]], notes: list[Item], start: int
    ) -> Iterator[int]:
        for second, some in _spread([*before, *notes], start, 50 * _MINUTE_S):
            yield second
            when = self._ledger.time(second)
            for item in some:
                if item.gone or (item.parent is not None and item.parent.gone):
                    continue
                if item in before:
                    item.name, item.size, item.stamp = before[item]
                    self._ledger.tell(item, when)
                else:
                    self._ledger.delete(item, when)

    def _import(self, home: Department, start: int) -> Iterator[int]:
        """An evening of video files, more bytes than the department had."""
        ledger = self._ledger
        project = max(home.projects, key=len)
        project.serial += 1
        folder = ledger.make("folder", f"Video import {project.serial}", project.folder, ledger.time(start))
        project.folders.append(folder)
        for second, some in _spread(range(max(60, len(ledger.live) // 50)), start, 3 * _HOUR_S):
            yield second
            for _ in some:
                self._desk.create(project, folder, ledger.time(second), kind=IMPORTED)

    def _large(self, home: Department) -> list[Project]:
        """Choose the largest projects of a department, with a fifth of its files between them."""
        wanted = max(60, len(self._ledger.live) // (5 * len(self._office.departments)))
        chosen: list[Project] = []
        for project in sorted((*home.projects, *home.archived), key=len, reverse=True):
            if wanted <= 0:
                break
            chosen.append(project)
            wanted -= len(project.files)
        return chosen

    def _a_home(self) -> Department:
        """Choose where it happens: another department each time, while there are any."""
        struck = {uid for incident in self.planted for uid in incident.folder_ids}
        homes = self._office.departments
        free = [home for home in homes if home.uid not in struck] or homes
        return free[int(self._draw.integers(len(free)))]


def _spread(things: Sequence[T], start: int, duration_s: int) -> Iterator[tuple[int, Sequence[T]]]:
    """Spread things evenly over a time: each second at which some happen, and which."""
    begin = 0
    for second in range(duration_s):
        end = (second + 1) * len(things) // duration_s
        if end > begin:
            yield start + second, things[begin:end]
            begin = end


def _local(home: Department, second: int, *, weekdays: Container[int], hour: int) -> int:
    """Give the first full hour from a moment on that is this hour, on such a weekday, at a department."""
    full = -(-second // _HOUR_S)
    while True:
        day, here = divmod(full + home.offset_h, 24)
        if here == hour and (day + 3) % 7 in weekdays:
            return full * _HOUR_S
        full += 1
