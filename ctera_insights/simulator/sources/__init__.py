"""Where the content of a simulated Portal comes from."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.simulator.sources.base import Source
    from ctera_insights.simulator.sources.directory import DirectorySource
    from ctera_insights.simulator.sources.git import GitSource
    from ctera_insights.simulator.sources.scenario import SCENARIOS, Incident, ScenarioSource

__all__ = ["SCENARIOS", "DirectorySource", "GitSource", "Incident", "ScenarioSource", "Source"]

_HOMES = {
    "SCENARIOS": "scenario",
    "DirectorySource": "directory",
    "GitSource": "git",
    "Incident": "scenario",
    "ScenarioSource": "scenario",
    "Source": "base",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
