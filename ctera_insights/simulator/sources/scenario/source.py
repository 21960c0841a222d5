"""The source behind ``--scenario``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from ctera_insights.errors import UsageError
from ctera_insights.simulator.sources.scenario.content import generated
from ctera_insights.simulator.sources.scenario.desk import Desk
from ctera_insights.simulator.sources.scenario.incidents import Incident, Incidents
from ctera_insights.simulator.sources.scenario.ledger import Ledger
from ctera_insights.simulator.sources.scenario.office import Office
from ctera_insights.simulator.sources.scenario.rhythm import DAY_S, HOUR_S, Rhythm
from ctera_insights.simulator.sources.scenario.scripts import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ctera_insights.simulator.feed import Inventory
    from ctera_insights.simulator.world import World

REFERENCE: Final = datetime(2026, 6, 30, tzinfo=UTC)
"""Where scenarios end when nobody says otherwise."""

_INVENTORY: Final = 0.2
_MOST_FILES: Final = 250_000
_FEWEST_EVENTS: Final = 200


class ScenarioSource:
    """Months of work in an office, generated: the same for the same name, seed and number of events.

    Three companies (tenants) in three places of the world have departments with a cloud folder each. People
    write, make, rename, move and delete documents in their hours of work; projects begin and end, are
    archived or deleted. What goes wrong besides is planned in the scenario, and listed by :attr:`incidents`.

    Every state is one of a consistent tree: a parent is told before what is in it, a write changes the size,
    a deleted object gets a tombstone (for large folders the topmost alone), what is restored exists again.
    Memory does not grow with the number of events: beyond some number of files as many are deleted as made.

    Args:
        name: one of :data:`SCENARIOS`.
        seed: chance.
        events: about how many states it has, the inventory included; as many as its script says when not
            given.
        until: where it ends (UTC): :data:`REFERENCE` when not given, or ``"now"``.

    Raises:
        UsageError: there is no such scenario, or too few events for one.

    Example:
        >>> from ctera_insights.simulator import Feed, World
        >>> source = ScenarioSource("tiny", seed=7)
        >>> world = World(Feed())
        >>> source.populate(world)
        >>> for moment in source.history(world):
        ...     pass
        >>> [incident.kind for incident in source.incidents]
        ['mass-deletion', 'restore']
    """

    def __init__(
        self,
        name: str = "office",
        *,
        seed: int = 0,
        events: int | None = None,
        until: datetime | Literal["now"] | None = None,
    ) -> None:
        if name not in SCENARIOS:
            raise UsageError(f"There is no scenario {name!r}: choose one of {', '.join(SCENARIOS)}.")
        self.script = SCENARIOS[name]
        self.events = self.script.events if events is None else events
        if self.events < _FEWEST_EVENTS:
            raise UsageError(f"{self.events} events make no scenario: ask for {_FEWEST_EVENTS} or more.")
        self.seed = seed
        end = datetime.now(UTC) if until == "now" else until or REFERENCE
        self.name = f"scenario:{name}"
        self.identity: str | None = (
            None if until == "now" else f"scenario:{name}:{seed}:{self.events}:{end.isoformat()}"
        )
        self.inventory: Inventory = "start"
        self._days = self.script.weeks * 7
        self._start = int(end.timestamp()) // HOUR_S * HOUR_S - self._days * DAY_S
        self._draw = np.random.default_rng([seed, *name.encode()])
        self._ledger: Ledger | None = None
        self._planned: Incidents | None = None

    @property
    def start(self) -> datetime:
        """Where the inventory ends and the history begins."""
        return datetime.fromtimestamp(self._start, UTC)

    @property
    def end(self) -> datetime:
        """Where the history ends."""
        return self.start + timedelta(days=self._days)

    @property
    def incidents(self) -> list[Incident]:
        """What was planted, in the order of planning; an incident's ``count`` is 0 until it has happened."""
        return [] if self._planned is None else list(self._planned.planted)

    def populate(self, world: World) -> None:
        """Make the cloud folders, with what they held before the scenario begins."""
        draw = self._draw = np.random.default_rng([self.seed, *self.name.encode()])
        files = int(min(self.events * _INVENTORY, _MOST_FILES / 2))
        room = min(max(2 * files, 100), _MOST_FILES)
        self._ledger = Ledger(world)
        self._desk = Desk(self._ledger, draw, room)
        self._office = Office(world, self._desk, self.script, start=self._start, files=files, draw=draw)
        self._planned = Incidents(self._desk, self._office, draw)
        for kind, share in self.script.incidents:
            self._planned.plan(kind, self._start + int(share * self._days) * DAY_S)

    def history(self, world: World) -> Iterator[datetime | None]:
        """Tell the months, minute by minute, in the world of :meth:`populate`."""
        del world  # the ledger knows it
        if self._ledger is None or self._planned is None:
            raise RuntimeError("populate() comes before history().")
        rhythm = Rhythm(
            self._office.people,
            start=self._start,
            days=self._days,
            growth=self.script.growth,
            draw=self._draw,
        )
        for day in range(self._days):
            left = max(0, self.events - self._ledger.told) / rhythm.left[day]
            yield from self._tell(day, rhythm, int(left + self._draw.random()))

    async def follow(self, world: World) -> None:
        """Return at once: the history ends."""

    def content(self, file_id: int) -> bytes | None:
        """Give the bytes of a file: generated text of its size, another one after each write."""
        item = self._ledger.live.get(file_id) if self._ledger is not None else None
        if item is None:
            return None
        return generated(f"{self.seed}:{file_id}:{item.stamp}", item.size)

    def _tell(self, day: int, rhythm: Rhythm, count: int) -> Iterator[datetime]:
        """Tell a day: so many things that people do, and the steps of incidents that fall due between."""
        assert self._ledger is not None
        assert self._planned is not None
        draw, desk, planned, people = self._draw, self._desk, self._planned, self._office.people
        start = self._start + day * DAY_S
        seconds, workers = rhythm.day(day, count, draw)
        deeds = np.searchsorted(desk.mix(), draw.random(count), "right")
        chances = draw.random((2, count))
        minute = hour = start
        when = self._ledger.time
        for second, worker, deed, u1, u2 in zip(
            (seconds + start).tolist(), workers.tolist(), deeds.tolist(), *chances.tolist(), strict=True
        ):
            if second >= minute or second >= planned.due:
                hour = yield from self._until(hour, second)
                yield datetime.fromtimestamp(second, UTC)
                minute = second - second % 60 + 60
            desk.do(deed, people[worker], u1, u2, when(second))
        yield from self._until(hour, start + DAY_S - 1)

    def _until(self, hour: int, second: int) -> Generator[datetime, None, int]:
        """Carry out what is due by a moment besides: steps of incidents, and what is decided every hour.

        Args:
            hour: the next full hour that nothing was decided for yet.
            second: the moment.

        Returns:
            The next such hour after the moment.
        """
        assert self._planned is not None
        while min(self._planned.due, hour) <= second:
            if self._planned.due < hour:
                yield datetime.fromtimestamp(int(self._planned.due), UTC)
                self._planned.run()
            else:
                self._office.each_hour(hour)
                hour += HOUR_S
        return hour
