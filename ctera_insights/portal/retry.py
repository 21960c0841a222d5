"""When to try again, and how long to wait: exponential backoff, full jitter, a cap, and ``Retry-After``."""

from __future__ import annotations

import logging
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Self, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    stop_never,
    wait_random_exponential,
)

from ctera_insights.errors import InsightsError, PortalStatusError, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity.stop import stop_base

    OnRetry = Callable[[InsightsError, float], None]
    """Told of each failure that will be tried again, and of the wait before it, in seconds."""

logger: Final = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a transient failure (``error.transient``) is tried again.

    The wait before the n-th repetition is drawn from 0 to ``min(cap_s, base_s * 2**(n-1))`` seconds (full
    jitter, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). A ``Retry-After`` of
    the Portal takes its place, up to ``retry_after_cap_s``, plus up to ``base_s`` so that a crowd of clients
    does not come back in one instant.

    Attributes:
        attempts: attempts in all, or ``None`` for no limit. The default rides out about half a minute.
        base_s: width of the first wait, seconds.
        cap_s: the longest wait of the backoff, seconds.
        give_up_after_s: no attempt begins later than this after the first, seconds; ``None``: no limit.
        retry_after_cap_s: the longest wait that the Portal may ask for, seconds.
    """

    attempts: int | None = 8
    base_s: float = 0.5
    cap_s: float = 30.0
    give_up_after_s: float | None = None
    retry_after_cap_s: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts is not None and (not isinstance(self.attempts, int) or self.attempts < 1):
            raise UsageError(f"attempts={self.attempts!r}: at least 1, or None for no limit.")
        for name in ("base_s", "cap_s", "give_up_after_s", "retry_after_cap_s"):
            value = getattr(self, name)
            if value is not None and not (
                isinstance(value, int | float) and math.isfinite(value) and value >= 0
            ):
                raise UsageError(f"{name}={value!r}: seconds, 0 or more.")

    @classmethod
    def forever(cls) -> Self:
        """No limit in attempts or time: for what runs in the background until it is stopped."""
        return cls(attempts=None)

    @property
    def is_endless(self) -> bool:
        """Whether it never gives up."""
        return self.attempts is None and self.give_up_after_s is None

    async def call(
        self,
        function: Callable[[], Awaitable[T]],
        *,
        on_retry: OnRetry | None = None,
        final: type[InsightsError] | tuple[type[InsightsError], ...] = (),
    ) -> T:
        """Await ``function()``, again as long as it fails transiently and the policy allows; else its error.

        Args:
            function: makes one attempt.
            on_retry: called before each wait.
            final: errors that are not tried again although they are transient.
        """

        def tell(state: RetryCallState) -> None:
            error = _error(state)
            wait_s = state.upcoming_sleep
            logger.warning(
                "%s Trying again in %.1f s (attempt %d failed).", error, wait_s, state.attempt_number
            )
            if on_retry is not None:
                on_retry(error, wait_s)

        async def attempt() -> T:  # tenacity awaits coroutine functions only, not what returns an awaitable
            return await function()

        retrying = AsyncRetrying(
            retry=retry_if_exception(
                lambda error: (
                    isinstance(error, InsightsError) and error.transient and not isinstance(error, final)
                )
            ),
            stop=self._stop(),
            wait=self._wait,
            before_sleep=tell,
            reraise=True,
        )
        return await retrying(attempt)

    def _stop(self) -> stop_base:
        stops: list[stop_base] = []
        if self.attempts is not None:
            stops.append(stop_after_attempt(self.attempts))
        if self.give_up_after_s is not None:
            stops.append(stop_before_delay(self.give_up_after_s))
        return stop_any(*stops) if stops else stop_never

    def _wait(self, state: RetryCallState) -> float:
        error = _error(state)
        if isinstance(error, PortalStatusError) and error.retry_after_s is not None:
            # Not cryptography: it spreads clients out.
            return min(error.retry_after_s, self.retry_after_cap_s) + random.uniform(0, self.base_s)  # noqa: S311
        return wait_random_exponential(multiplier=self.base_s, max=self.cap_s)(state)


def _error(state: RetryCallState) -> InsightsError:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert isinstance(error, InsightsError)
    return error


def retry_after_s(header: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for: a number of seconds, or an HTTP date.

    >>> retry_after_s("120")
    120.0
    >>> retry_after_s("soon") is None
    True
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a number of any length may stand in it
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
