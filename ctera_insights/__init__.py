"""File activity of a CTERA Portal: collected exactly once, kept as open tables, explored in Jupyter.

The names below load what they need when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.activity import enrich, enrich_lake
    from ctera_insights.collect import BatchLimits, Collector
    from ctera_insights.errors import InsightsError
    from ctera_insights.insights import Insights, connect
    from ctera_insights.lake import Lake
    from ctera_insights.model import Event
    from ctera_insights.pipeline import collect_portal
    from ctera_insights.plain import run
    from ctera_insights.portal import AsyncGlobalAdmin, AsyncServicesPortal, CloudFolder, DirectIO
    from ctera_insights.settings import Secret
    from ctera_insights.simulator import SimulatedPortal

__version__ = "0.1.0.dev0"

_HOMES = {
    "AsyncGlobalAdmin": "portal",
    "AsyncServicesPortal": "portal",
    "BatchLimits": "collect",
    "CloudFolder": "portal",
    "Collector": "collect",
    "DirectIO": "portal",
    "Event": "model",
    "Insights": "insights",
    "InsightsError": "errors",
    "Lake": "lake",
    "Secret": "settings",
    "SimulatedPortal": "simulator",
    "collect_portal": "pipeline",
    "connect": "insights",
    "enrich": "activity",
    "enrich_lake": "activity",
    "run": "plain",
}
__all__ = [
    "AsyncGlobalAdmin",
    "AsyncServicesPortal",
    "BatchLimits",
    "CloudFolder",
    "Collector",
    "DirectIO",
    "Event",
    "Insights",
    "InsightsError",
    "Lake",
    "Secret",
    "SimulatedPortal",
    "__version__",
    "collect_portal",
    "connect",
    "enrich",
    "enrich_lake",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext ctera_insights``: the ``%%insights`` magic."""
    from ctera_insights.insights.magics import load_ipython_extension as load

    load(shell)
