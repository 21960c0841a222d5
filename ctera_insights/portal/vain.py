"""Logins in vain: each works, and its session is refused at once. They are counted, spaced, and ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from ctera_insights.errors import PortalError, SessionLost, SessionRefused

ENOUGH: Final = 4
"""After so many of them a call gives up."""
ENDURED_S: Final = 900.0
"""A call that is to go on for ever endures them for so long at least: a Portal may come up in parts."""
LONGEST_PAUSE_S: Final = 60.0
"""Between two of them."""


@dataclass(slots=True)
class _Row:
    logins: int
    since: float


class VainLogins:
    """How many logins in a row were in vain, by the path of the request that they were made for."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def over(self, path: str) -> None:
        """The Portal took the session there."""
        self._rows.pop(path, None)

    def pause_s(self, path: str) -> float:
        """How long to wait before the next login for this path."""
        row = self._rows.get(path)
        return 0.0 if row is None else min(2.0 ** (row.logins - 1), LONGEST_PAUSE_S)

    def one_more(self, path: str, error: PortalError, user: str, *, endless: bool) -> PortalError:
        """A new session was refused with ``error``: what to raise.

        Args:
            path: of the request.
            error: what the Portal answered.
            user: who logged in.
            endless: whether the call is to go on for ever.
        """
        now = time.monotonic()
        row = self._rows.setdefault(path, _Row(0, now))
        row.logins += 1
        if row.logins >= ENOUGH and (not endless or now - row.since >= ENDURED_S):
            return SessionRefused(
                f"Logging in as {user!r} works, but the Portal refuses the session that it gives: "
                f"{row.logins} times in {now - row.since:.0f} s. A load balancer may send requests to "
                f"another server than the login, or the user may lack a right. {error}"
            )
        if isinstance(error, SessionLost):
            return SessionLost(f"The Portal refuses the session again right after a new login. {error}")
        return error
