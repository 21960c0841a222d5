"""When people work: by hour, weekday and season, in the time of their own place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ctera_insights.simulator.sources.scenario.company import Person

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S

_BUSY: Final = {8: 0.5, 9: 1.0, 10: 1.2, 11: 1.2, 12: 0.7, 13: 0.85, 14: 1.1, 15: 1.1, 16: 1.0, 17: 0.6}
_LATE: Final = {7: 0.12, 18: 0.25, 19: 0.12, 20: 0.1, 21: 0.07, 22: 0.04}
_BY_HOUR: Final = np.array([{**_BUSY, **_LATE}.get(hour, 0.01) for hour in range(24)])
_BY_WEEKDAY: Final = np.array([1.0, 1.1, 1.1, 1.05, 0.8, 0.06, 0.04])
_QUIET_WEEKS: Final = {1: 0.5, 31: 0.7, 32: 0.65, 33: 0.7, 34: 0.75, 52: 0.3, 53: 0.3}


class Rhythm:
    """How much each person does in each hour of a scenario.

    Args:
        people: who works, with the hours from UTC of each one's department.
        start: first second, a whole hour.
        days: number of days.
        growth: how much more is done at the end, as a share.
        draw: chance.
    """

    def __init__(
        self, people: list[Person], *, start: int, days: int, growth: float, draw: np.random.Generator
    ) -> None:
        # Some do most of the work, some come early; a day is never quite like the last one.
        diligence = draw.lognormal(0.0, 0.7, len(people))
        shift = draw.integers(-1, 2, len(people))
        offset = np.array([person.home.offset_h for person in people]) - shift
        local = (start // HOUR_S + np.arange(days * 24)).reshape(days, 24, 1) + offset
        weekday = (local // 24 + 3) % 7  # 1970-01-01 was a Thursday
        season = np.array([_season(start + day * DAY_S) for day in range(days)])
        season *= 1 + growth * np.arange(days) / days
        weights = _BY_HOUR[local % 24] * _BY_WEEKDAY[weekday] * diligence * season[:, None, None]
        weights *= draw.lognormal(0.0, 0.3, (days, 1, len(people)))
        self._sums = np.cumsum(weights.reshape(days, -1), axis=1)
        self._people = len(people)
        self.left: NDArray[np.float64] = self._sums[::-1, -1].cumsum()[::-1] / self._sums[:, -1]
        """What each day and all that follow have to do, as a multiple of what the day has."""

    def day(
        self, day: int, count: int, draw: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw ``count`` things that are done on a day: the second of the day, and who does it, in order."""
        sums = self._sums[day]
        hour, person = np.divmod(np.searchsorted(sums, draw.random(count) * sums[-1], "right"), self._people)
        seconds = hour * HOUR_S + draw.integers(0, HOUR_S, count)
        order = np.argsort(seconds, kind="stable")
        return seconds[order], person[order]


def _season(second: int) -> float:
    return _QUIET_WEEKS.get(datetime.fromtimestamp(second, UTC).isocalendar().week, 1.0)
