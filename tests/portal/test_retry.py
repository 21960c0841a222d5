import asyncio
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from ctera_insights.errors import LoginRefused, PortalBusy, PortalUnreachable, UsageError
from ctera_insights.portal import RetryPolicy
from ctera_insights.portal.retry import retry_after_s


class Failing:
    """Fails so many times with the error given, then gives "done"."""

    def __init__(self, error: Exception, times: float = math.inf) -> None:
        self.error, self.times, self.calls = error, times, 0

    async def __call__(self) -> Any:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "done"


async def test_tries_again_what_passes():
    """A transient error is tried again until it passes."""
    function = Failing(PortalUnreachable("gone"), times=3)
    assert await RetryPolicy(base_s=0).call(function) == "done"
    assert function.calls == 4


@pytest.mark.parametrize("error", [LoginRefused("no"), UsageError("no"), ValueError("a bug")])
async def test_does_not_try_again_what_stays(error: Exception):
    """A permanent error, and an error that is not ours, are raised at once as they are."""
    function = Failing(error)
    with pytest.raises(type(error)) as caught:
        await RetryPolicy(base_s=0).call(function)
    assert caught.value is error
    assert function.calls == 1


async def test_gives_up_after_so_many_attempts():
    """The last error itself is raised when the attempts are used up."""
    error = PortalUnreachable("gone")
    function = Failing(error)
    with pytest.raises(PortalUnreachable) as caught:
        await RetryPolicy(attempts=3, base_s=0).call(function)
    assert caught.value is error
    assert function.calls == 3


async def test_begins_no_attempt_after_the_time_is_up():
    """A wait that would end after ``give_up_after_s`` is not begun."""
    function = Failing(PortalBusy("busy", status=503, retry_after_s=60))
    with pytest.raises(PortalBusy):
        await RetryPolicy(attempts=None, give_up_after_s=30).call(function)
    assert function.calls == 1


async def test_without_limits_it_goes_on_until_cancelled():
    """``forever`` outlasts any default, and a cancellation ends it."""
    function = Failing(PortalUnreachable("gone"))
    policy = RetryPolicy(attempts=None, base_s=0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await policy.call(function)
    assert function.calls > 20
    assert RetryPolicy.forever().attempts is None


async def test_tells_of_each_failure_and_wait():
    """The hook gets the error and the seconds, with full jitter below a doubling, capped width."""
    told = []
    with pytest.raises(PortalUnreachable):
        await RetryPolicy(attempts=7, base_s=0.001, cap_s=0.004).call(
            Failing(PortalUnreachable("gone")),
            on_retry=lambda error, wait_s: told.append((str(error), wait_s)),
        )
    assert [text for text, _ in told] == ["gone"] * 6
    widths = [0.001, 0.002, 0.004, 0.004, 0.004, 0.004]
    assert all(0 <= wait_s <= width for (_, wait_s), width in zip(told, widths, strict=True))
    assert len({wait_s for _, wait_s in told}) > 1


async def test_waits_as_long_as_the_portal_asks():
    """``Retry-After`` takes the place of the backoff."""
    told = []
    function = Failing(PortalBusy("busy", status=429, retry_after_s=0.05), times=1)
    await RetryPolicy(base_s=0.01, cap_s=0).call(function, on_retry=lambda _, wait_s: told.append(wait_s))
    assert 0.05 <= told[0] <= 0.06


async def test_waits_no_longer_than_the_cap_for_retry_after():
    """A Portal that asks for a week is asked again sooner."""
    told = []
    function = Failing(PortalBusy("busy", status=429, retry_after_s=604800), times=1)
    policy = RetryPolicy(base_s=0, retry_after_cap_s=0.02)
    await policy.call(function, on_retry=lambda _, wait_s: told.append(wait_s))
    assert told == [0.02]


def test_reads_retry_after():
    """Seconds and HTTP dates are read; a date that has passed is no wait; anything else is ignored."""
    assert retry_after_s("7") == 7
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < (retry_after_s(soon) or 0) <= 90
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00") == 0
    for nonsense in (None, "", "soon", "-5", "1.5", "²", "Wed, 99 Oct 2015", f"Mon, 01 Jan {'9' * 20}"):
        assert retry_after_s(nonsense) is None


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": 2.5},
        {"base_s": -1},
        {"cap_s": math.inf},
        {"give_up_after_s": math.nan},
        {"retry_after_cap_s": "1"},
    ],
)
def test_refuses_nonsense(options: dict[str, Any]):
    """A policy that makes no sense is refused when it is made."""
    with pytest.raises(UsageError):
        RetryPolicy(**options)
