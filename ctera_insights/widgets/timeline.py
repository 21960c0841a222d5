"""The time axis: grains that events are counted in, bins that are drawn, and local hours of the week."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np

from ctera_insights.platforms import from_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MOST_BINS: Final = 400
"""Bins of a timeline at the most: two to three pixels each."""
MOST_GRAINS: Final = 20_000
_GRAINS_S: Final = (60, 300, 900, 3600)
_CLOCK_S: Final = (60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200)
_CALENDAR: Final = (("day", 86_400), ("week", 604_800), ("month", 2_629_746), ("year", 31_556_952))
HOURS_OF_WEEK: Final = 168
_CENTURY_S: Final = 100 * 31_556_952
_EARLIEST_S: Final = 631_152_000  # 1990-01-01


@dataclass(frozen=True)
class Timeline:
    """The grains between two moments.

    Attributes:
        first: number of the first grain since 1970.
        grains: number of grains.
        grain_s: seconds of a grain; local hours begin at grains.
        tz: time zone of days and hours.
    """

    first: int
    grains: int
    grain_s: int
    tz: str

    @classmethod
    def over(cls, first_s: int, last_s: int, tz: str) -> Timeline:
        """The timeline from the first to the last event, both in seconds since 1970.

        Where lost clocks stretch it over more than a century it shows the usual times only, and what lies
        outside belongs to its first and last grain.
        """
        if last_s - first_s > _CENTURY_S:
            first_s = max(first_s, _EARLIEST_S)
            last_s = max(min(last_s, int(time.time()) + 86_400), first_s)
        grain_s = next((g for g in _GRAINS_S if (last_s - first_s) / g <= MOST_GRAINS), _GRAINS_S[-1])
        offsets = _offsets_s(np.linspace(first_s, last_s, 64), tz)
        while grain_s > 900 and (offsets % grain_s).any():  # zones such as Asia/Kolkata, +05:30
            grain_s //= 2
        first = first_s // grain_s
        return cls(first, last_s // grain_s - first + 1, grain_s, tz)

    @property
    def start_s(self) -> int:
        """The beginning of the first grain, in seconds since 1970."""
        return self.first * self.grain_s

    @property
    def end_s(self) -> int:
        """The end of the last grain, in seconds since 1970."""
        return (self.first + self.grains) * self.grain_s

    def starts_s(self) -> NDArray[np.int64]:
        """The beginning of each grain, in seconds since 1970."""
        return (self.first + np.arange(self.grains, dtype=np.int64)) * self.grain_s

    def hours_of_week(self) -> NDArray[np.int16]:
        """The local hour of the week of each grain: 0 is Monday 00:00 to 01:00, 167 Sunday's last hour."""
        return _hours_of_week(self)

    def floor(self, moment_s: float) -> int:
        """The grain boundary at or before a moment."""
        return int(moment_s // self.grain_s) * self.grain_s

    def ceil(self, moment_s: float) -> int:
        """The grain boundary at or after a moment."""
        return -int(-moment_s // self.grain_s) * self.grain_s

    def edges_s(self, since_s: int | None = None, until_s: int | None = None) -> NDArray[np.int64]:
        """The boundaries of the bins to draw between two moments: round local times, at most 400 bins."""
        low = self.start_s if since_s is None else max(self.floor(since_s), self.start_s)
        high = self.end_s if until_s is None else min(self.ceil(until_s), self.end_s)
        high = max(high, low + self.grain_s)
        start = from_seconds(low, ZoneInfo(self.tz))
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        for width_s in _CLOCK_S:
            if width_s >= self.grain_s and (high - low) / width_s <= MOST_BINS:
                midnight_s = int(midnight.timestamp())
                begin = midnight_s + (low - midnight_s) // width_s * width_s
                edges = np.arange(begin, high + width_s, width_s, dtype=np.int64)
                return _clipped(edges, low, high)
        unit = next((u for u, width in _CALENDAR if (high - low) / width <= MOST_BINS), "year")
        edges = np.fromiter(_marks(midnight, unit, high), dtype=np.int64)
        return _clipped(np.concatenate([[low], edges, [high]]), low, high)


def _clipped(edges: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    return np.unique(np.clip(edges, low, high))


def _marks(midnight: datetime, unit: str, end_s: int) -> Iterator[int]:
    """The beginnings of days, weeks, months or years from a local midnight on, in seconds since 1970."""
    mark = midnight
    while (moment_s := int(mark.timestamp())) < end_s:
        first = {"day": True, "week": mark.weekday() == 0, "month": mark.day == 1}
        if first.get(unit, mark.day == 1 and mark.month == 1):
            yield moment_s
        mark += timedelta(days=1)  # by the calendar: local midnight stays local midnight


@lru_cache(maxsize=8)
def _hours_of_week(timeline: Timeline) -> NDArray[np.int16]:
    import pyarrow as pa
    import pyarrow.compute as pc

    local = pa.array(timeline.starts_s()).cast(pa.timestamp("s", timeline.tz))
    return np.asarray(pc.day_of_week(local).to_numpy() * 24 + pc.hour(local).to_numpy(), dtype=np.int16)


def _offsets_s(moments_s: NDArray[np.float64], tz: str) -> NDArray[np.int64]:
    zone = ZoneInfo(tz)
    offsets = (from_seconds(int(s)).astimezone(zone).utcoffset() for s in moments_s)
    return np.array([0 if o is None else int(o.total_seconds()) for o in offsets], dtype=np.int64)
