"""Answers from a collected store: analyses, detections, pictures and reports over DuckDB.

The public names load when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.insights.alerts import Alert, Alerts
    from ctera_insights.insights.analysis import Analysis, analyses
    from ctera_insights.insights.filters import FilterArgs, Filters
    from ctera_insights.insights.insights import Insights
    from ctera_insights.insights.result import Result
    from ctera_insights.insights.views import connect

_HOME = {
    "Alert": "alerts",
    "Alerts": "alerts",
    "Analysis": "analysis",
    "FilterArgs": "filters",
    "Filters": "filters",
    "Insights": "insights",
    "Result": "result",
    "analyses": "analysis",
    "connect": "views",
}
__all__ = [
    "Alert",
    "Alerts",
    "Analysis",
    "FilterArgs",
    "Filters",
    "Insights",
    "Result",
    "analyses",
    "connect",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
