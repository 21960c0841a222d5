"""What every request passes first: it is counted, and must belong to a session."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from aiohttp import web

from ctera_insights.simulator.sessions import CONTEXTS, COOKIE, Context, Session

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from ctera_insights.simulator.server import SimulatedPortal

_OPEN_TO_ALL: Final = frozenset({"login", "login-page", "sso", "unknown"})


def endpoint_of(request: web.Request) -> str:
    """Name of the endpoint of a request: ``list``, ``login``, ``directio``, …, or ``unknown``."""
    resource = request.match_info.route.resource
    if resource is None:
        return "unknown"
    return (resource.name or resource.canonical.split("/")[1]).rpartition(".")[2]


def counter(portal: SimulatedPortal) -> Middleware:
    """Make the middleware that counts requests by endpoint."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        portal.requests[endpoint_of(request)] += 1
        return await handler(request)

    return count


def keeper(portal: SimulatedPortal) -> Middleware:
    """Make the middleware that sends those without a session to the login page of their context."""

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        context = request.path.split("/")[1]
        if context not in CONTEXTS or endpoint_of(request) in _OPEN_TO_ALL:
            return await handler(request)
        if session_of(request, context, portal) is None:
            raise web.HTTPFound(f"/{context}/login.html")
        return await handler(request)

    return admit


def session_of(request: web.Request, context: Context, portal: SimulatedPortal) -> Session | None:
    """Give the session that a request belongs to."""
    session = portal.sessions.find(context, request.cookies.get(COOKIE))
    if session is None and _bears(request, portal.bearer):
        return Session(portal.user, context, portal.role, portal.tenant)
    return session


def _bears(request: web.Request, token: str | None) -> bool:
    sent = request.headers.get("Authorization", "")
    return token is not None and hmac.compare_digest(sent.encode(), f"Bearer {token}".encode())
