"""A simulated Portal on aiohttp.web: wire-faithful, fed by sources, disturbed by faults on demand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.simulator.faults import Fault, Faults
    from ctera_insights.simulator.feed import Feed
    from ctera_insights.simulator.server import SimulatedPortal
    from ctera_insights.simulator.sources.base import Source
    from ctera_insights.simulator.world import Node, World

__all__ = ["Fault", "Faults", "Feed", "Node", "SimulatedPortal", "Source", "World"]

_HOMES = {
    "Fault": "faults",
    "Faults": "faults",
    "Feed": "feed",
    "Node": "world",
    "SimulatedPortal": "server",
    "Source": "sources.base",
    "World": "world",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
