"""What a person watches or touches in a notebook.

The public names load when they are first used: a collection without a notebook needs none of this.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.widgets.explorer import Explorer, explore
    from ctera_insights.widgets.live import LiveView, monitor

_HOME = {
    "Explorer": "explorer",
    "LiveView": "live",
    "explore": "explorer",
    "monitor": "live",
}
__all__ = ["Explorer", "LiveView", "explore", "monitor"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
