"""The Portal over HTTP: sessions, the Notification Service, Direct IO. Names are loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.portal.client import AsyncGlobalAdmin, AsyncServicesPortal
    from ctera_insights.portal.directio import DirectIO
    from ctera_insights.portal.folders import CloudFolder
    from ctera_insights.portal.retry import RetryPolicy
    from ctera_insights.portal.tls import InsecureTLSWarning
    from ctera_insights.portal.transport import Timeouts

_HOME = {
    "AsyncGlobalAdmin": "client",
    "AsyncServicesPortal": "client",
    "CloudFolder": "folders",
    "DirectIO": "directio",
    "InsecureTLSWarning": "tls",
    "RetryPolicy": "retry",
    "Timeouts": "transport",
}

__all__ = [
    "AsyncGlobalAdmin",
    "AsyncServicesPortal",
    "CloudFolder",
    "DirectIO",
    "InsecureTLSWarning",
    "RetryPolicy",
    "Timeouts",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
