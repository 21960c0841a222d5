"""Sessions of a simulated Portal: who is logged in, in which context, and for how long."""

from __future__ import annotations

import secrets
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Context = Literal["admin", "ServicesPortal"]
CONTEXTS: Final[tuple[Context, ...]] = ("admin", "ServicesPortal")
COOKIE: Final = "JSESSIONID"


@dataclass(slots=True)
class Session:
    """One login."""

    user: str
    context: Context
    role: str
    tenant: str
    """Tenant looked at; empty is the global administration."""
    last_used: float = field(default_factory=time.monotonic)

    @property
    def token(self) -> str:
        """Value of ``X-CTERA-TOKEN``."""
        return b64encode(self.user.encode()).decode("ascii")


class Sessions:
    """The logged-in users, by context and cookie.

    Args:
        idle_timeout_s: seconds without a request after which a session is gone; ``None`` is never.
    """

    def __init__(self, *, idle_timeout_s: float | None = None) -> None:
        self._idle_timeout_s = idle_timeout_s
        self._sessions: dict[tuple[str, str], Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def start(self, session: Session) -> str:
        """Remember a login and give its cookie: 32 upper-case hexadecimal digits."""
        cookie = secrets.token_hex(16).upper()
        self._sessions[session.context, cookie] = session
        return cookie

    def find(self, context: str, cookie: str | None) -> Session | None:
        """Give the session of a request, if it is still there, and count the request as activity."""
        session = self._sessions.get((context, cookie or ""))
        if session is None:
            return None
        now = time.monotonic()
        if self._idle_timeout_s is not None and now - session.last_used > self._idle_timeout_s:
            self.end(context, cookie)
            return None
        session.last_used = now
        return session

    def end(self, context: str, cookie: str | None) -> None:
        """Forget one session."""
        self._sessions.pop((context, cookie or ""), None)

    def kill(self) -> None:
        """Forget all sessions, as a restart does."""
        self._sessions.clear()
