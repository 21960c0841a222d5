"""The office as a whole: its departments at the start, and projects that begin and end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ctera_insights.simulator.sources.scenario.company import Department, Person, Project
from ctera_insights.simulator.sources.scenario.words import (
    DEPARTMENTS,
    FOLDERS,
    PROJECT_FIRST,
    PROJECT_LAST,
    TENANTS,
)

if TYPE_CHECKING:
    import numpy as np

    from ctera_insights.simulator.sources.scenario.desk import Desk
    from ctera_insights.simulator.sources.scenario.scripts import Script
    from ctera_insights.simulator.world import World

_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S
_SMALL_PROJECT: Final = 40


class Office:
    """Departments, their people and their projects.

    Args:
        world: where the cloud folders are made.
        desk: makes the files.
        script: how large it is.
        start: first second of the scenario.
        files: about how many files there are at the start.
        draw: chance.
    """

    def __init__(
        self, world: World, desk: Desk, script: Script, *, start: int, files: int, draw: np.random.Generator
    ) -> None:
        self._desk = desk
        self._draw = draw
        self._code = 1000
        per_department = files // script.departments
        self.active = max(2, min(12, per_department // 150))
        """Projects at a time in each department."""
        self.departments = [self._department(world, number, start) for number in range(script.departments)]
        self.people: list[Person] = []
        for department in self.departments:
            self._hire(department, script.people)
        for department in self.departments:
            self._furnish(department, per_department, start)

    def each_hour(self, second: int) -> None:
        """End the projects whose time has come, and begin others in their place, in the mornings."""
        for home in self.departments:
            if (second // 3600 + home.offset_h) % 24 != 9:
                continue
            when = self._desk.ledger.time(second)
            for project in [project for project in home.projects if project.ends <= second]:
                self._end(project, when)
            while len(home.projects) < self.active:
                self.begin(home, when, second, stamp=None)
            if self._draw.random() < 0.02:
                project = home.projects[int(self._draw.integers(len(home.projects)))]
                project.folder.name = self._project_name()
                self._desk.ledger.tell(project.folder, when)

    def begin(self, home: Department, when: str, second: int, *, stamp: str | None) -> Project:
        """Begin a project: its folders, and people who work on it."""
        draw = self._draw
        ledger = self._desk.ledger
        folder = ledger.make("folder", self._project_name(), home.root, when, stamp=stamp)
        project = Project(home, folder, second + int(draw.uniform(4, 26) * _WEEK_S))
        for name in FOLDERS[: int(draw.integers(2, len(FOLDERS) + 1))]:
            project.folders.append(ledger.make("folder", name, folder, when, stamp=stamp))
        home.projects.append(project)
        team = draw.choice(len(home.people), min(len(home.people), int(draw.integers(3, 7))), replace=False)
        for number, person in enumerate(home.people):
            if number in team or not person.projects:
                person.projects.append(project)
        return project

    def _end(self, project: Project, when: str) -> None:
        home = project.home
        home.projects.remove(project)
        for person in home.people:
            if project in person.projects:
                person.projects.remove(project)
        ledger = self._desk.ledger
        if self._draw.random() < 0.15:
            self._desk.remove(project, when, tombstones=len(project) < _SMALL_PROJECT)
            return
        if home.archive is None:
            home.archive = ledger.make("folder", "Archive", home.root, when)
        project.folder.parent = home.archive
        ledger.tell(project.folder, when)
        home.archived.append(project)

    def _department(self, world: World, number: int, start: int) -> Department:
        tenant, offset_h, domain = TENANTS[number % len(TENANTS)]
        name = DEPARTMENTS[number % len(DEPARTMENTS)]
        made = datetime.fromtimestamp(start - 1000 * _DAY_S, UTC)
        owner = f"{name.lower().replace(' ', '.')}.admin"
        root = world.cloud_folder(name, owner=owner, domain=domain, tenant=tenant, at=made)
        return Department(root.cloud_folder, root.ordinal, number, offset_h)

    def _hire(self, home: Department, count: int) -> None:
        for _ in range(count):
            person = Person(home, 5000 + len(self.people))
            home.people.append(person)
            self.people.append(person)

    def _furnish(self, home: Department, files: int, start: int) -> None:
        """Fill a department with what was made before the scenario starts."""
        draw = self._draw
        ledger = self._desk.ledger
        old = max(1, self.active // 2)
        shares = draw.dirichlet([1.5] * (self.active + old))
        for number, share in enumerate(shares.tolist()):
            age_s = int((draw.uniform(200, 900) if number < old else draw.uniform(5, 150)) * _DAY_S)
            born = ledger.time(start - age_s)
            project = self.begin(home, born, start, stamp=born)
            count = max(8, int(share * files))
            for age in draw.beta(1.0, 2.5, count).tolist():
                folder = project.folders[int(draw.integers(len(project.folders)))]
                self._desk.create(project, folder, ledger.time(start - 1 - int(age_s * age)))
            if number < old:
                project.ends = start
                self._end(project, ledger.time(start - 1))

    def _project_name(self) -> str:
        self._code += 1
        first = PROJECT_FIRST[int(self._draw.integers(len(PROJECT_FIRST)))]
        last = PROJECT_LAST[int(self._draw.integers(len(PROJECT_LAST)))]
        return f"{self._code} {first} {last}"
