"""The named scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Script:
    """What a scenario tells.

    Attributes:
        about: one line for people.
        weeks: how long it lasts.
        events: about how many states it has when nobody says otherwise, the inventory included.
        departments: number of cloud folders.
        people: number of people who work on each.
        growth: how much more is done at the end than at the beginning, as a share.
        incidents: what goes wrong, and when: the kind, and the share of the time that is over by then.
    """

    about: str
    weeks: int
    events: int
    departments: int = 9
    people: int = 12
    growth: float = 0.3
    incidents: tuple[tuple[str, float], ...] = ()


SCENARIOS: Final[Mapping[str, Script]] = MappingProxyType(
    {
        "office": Script(
            "A year of three companies: growth, moves, and one incident of every kind",
            weeks=52,
            events=200_000,
            incidents=(
                ("mass-deletion", 0.35),
                ("mass-rename", 0.47),
                ("permission-opening", 0.58),
                ("ransomware", 0.72),
                ("growth", 0.87),
            ),
        ),
        "quiet": Script("Half a year in which nothing goes wrong", weeks=26, events=100_000),
        "ransomware": Script(
            "Two months; at a weekend, two cloud folders are encrypted within the hour",
            weeks=8,
            events=50_000,
            incidents=(("ransomware", 0.7),),
        ),
        "mass-deletion": Script(
            "Two months; on an afternoon, most of a project is deleted, and restored the next day",
            weeks=8,
            events=50_000,
            incidents=(("mass-deletion", 0.7),),
        ),
        "growth": Script(
            "Half a year of growth, with two large imports",
            weeks=26,
            events=100_000,
            growth=3.0,
            incidents=(("growth", 0.5), ("growth", 0.85)),
        ),
        "tiny": Script(
            "Two weeks of a small team in a few hundred states, with one mass deletion",
            weeks=2,
            events=400,
            departments=2,
            people=3,
            incidents=(("mass-deletion", 0.75),),
        ),
    }
)
