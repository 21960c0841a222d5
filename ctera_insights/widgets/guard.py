"""Who may ask a page that asks for no token: a browser that was told to open this very address.

Listening on the loopback interface keeps other machines out, not other pages of the same browser: a page can
make its own name resolve to 127.0.0.1 (the ``Host`` tells), or ask this address from where it is (the
``Origin``, and what browsers send as ``Sec-Fetch-Site``, tell).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest
    from tornado.web import Application

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
"""The names that the loopback interface has here."""


def guard(application: Application, port: int) -> None:
    """Let an application refuse, with 403, who came by another name or from elsewhere.

    Args:
        application: what serves.
        port: where it listens.
    """
    application.default_router.rules.insert(0, Rule(_Stranger(port), _Refused))


class _Stranger(Matcher):
    """Matches the requests that are to be refused."""

    def __init__(self, port: int) -> None:
        names = [f"[{name}]" if ":" in name else name for name in LOOPBACK]
        self._hosts = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Empty for a stranger; ``None`` for who may pass."""
        return None if self._is_known(request) else {}

    def _is_known(self, request: HTTPServerRequest) -> bool:
        hosts = request.headers.get_list("Host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return False
        if any(
            origin.lower().removeprefix("http://") != hosts[0].lower()
            for origin in request.headers.get_list("Origin")
        ):
            return False
        if request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
            return request.headers.get("Sec-Fetch-Dest") == "document" and request.method == "GET"
        return True


class _Refused(RequestHandler):
    def prepare(self) -> None:
        """Answer every method alike."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(
            "Refused: this page asks for no token, so it answers to its own address on the loopback "
            "interface alone, such as http://localhost and its port, and to no other page. Open it so, or "
            "serve it with a token.\n"
        )
