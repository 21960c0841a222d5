"""Alerts to a webhook: one POST, repeated until the receiver takes it or will never take it."""

from __future__ import annotations

import asyncio
import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from ctera_insights.errors import UsageError, WebhookFailed
from ctera_insights.insights.payload import payload
from ctera_insights.plain import run
from ctera_insights.portal.address import resolvable
from ctera_insights.portal.proxy import environment_proxy

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from ctera_insights.insights.alerts import Alerts

SIGNATURE_HEADER: Final = "X-Ctera-Insights-Signature"
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S: Final = 60.0


class _NotNow(Exception):  # never leaves this module
    """The receiver did not answer, or asks to try again."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


async def post(
    url: str,
    alerts: Alerts,
    *,
    secret: str | None = None,
    attempts: int = 5,
    timeout_s: float = 10.0,
    first_wait_s: float = 1.0,
) -> int:
    """POST alerts as JSON to a receiver; nothing is sent when all is quiet.

    The body holds ``subject``, ``text`` (as chat receivers show it), ``sensitivity``, ``period``, ``alerts``,
    ``failures`` and ``unreadable_permissions``; it is never larger than 28 kB, see
    :mod:`ctera_insights.insights.payload`. The header ``Idempotency-Key`` is the same for the same alerts.
    The environment's proxies are used. With a secret,
    ``X-Ctera-Insights-Signature`` carries ``sha256=`` and the HMAC-SHA256 of the body in hex. No answer, 408,
    425, 429 and 5xx are tried again, with exponentially growing waits with jitter, or as long as
    ``Retry-After`` asks (at most a minute). The URL may be a secret itself: messages name its host only.

    Args:
        url: http or https.
        alerts: what to send.
        secret: key of the signature.
        attempts: at most so many requests.
        timeout_s: for one request.
        first_wait_s: before the second attempt, at most.

    Returns:
        The HTTP status of the receiver; 0 when there was nothing to send.

    Raises:
        UsageError: the URL is none.
        WebhookFailed: the receiver refused, or could not be reached in all attempts.
    """
    from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    host = receiver(url)
    if alerts.quiet:
        return 0
    body = await asyncio.to_thread(payload, alerts)
    told = [*(alert.id for alert in alerts), *(failure.rule for failure in alerts.failures)]
    if alerts.unreadable:
        told.append(f"unreadable {alerts.unreadable.changes}")
    if alerts.lacks:
        told.append("lacks")
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": sha256("\n".join(told).encode()).hexdigest()[:32],
    }
    if secret:
        headers[SIGNATURE_HEADER] = "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()
    jitter = wait_random_exponential(multiplier=first_wait_s, max=_LONGEST_WAIT_S)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, _NotNow) else None
        return jitter(state) if asked is None else min(asked, _LONGEST_WAIT_S)

    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(_NotNow), stop=stop_after_attempt(attempts), wait=wait, reraise=True
        ):
            with attempt:
                return await _once(url, body, headers, timeout_s)
    except _NotNow as error:
        raise WebhookFailed(f"{host} did not take the alerts in {attempts} attempts: {error}") from None
    raise AssertionError("the attempts ended without an answer or an error")


def receiver(url: str) -> str:
    """The host of a webhook, as messages name it: the rest of its URL may be a secret.

    Raises:
        UsageError: the URL is none that can be posted to.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.port != 0 and parts.hostname and resolvable(URL(url)):
            return parts.hostname
    except (ValueError, TypeError, AttributeError):
        pass
    raise UsageError("A webhook is an http or https URL with a host that can be looked up")


def post_sync(url: str, alerts: Alerts, *, secret: str | None = None, attempts: int = 5) -> int:
    """:func:`post` as a plain call, in a script and in a notebook."""
    return run(post(url, alerts, secret=secret, attempts=attempts))


async def _once(url: str, body: bytes, headers: dict[str, str], timeout_s: float) -> int:
    host = urlsplit(url).hostname
    proxy = environment_proxy(URL(url))
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session,
            session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=proxy.reveal() if proxy else None,
            ) as response,
        ):
            status = response.status
            retry_after = response.headers.get("Retry-After", "")
    except TimeoutError:
        raise _NotNow(f"no answer in {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError, UnicodeError) as error:
        raise _NotNow(_in_words(error)) from None
    if status in _PASSING:
        asked = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
        raise _NotNow(f"HTTP {status}", asked)
    if not 200 <= status < 300:
        raise WebhookFailed(f"{host} refused the alerts with HTTP {status}")
    return status


def _in_words(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or type(error).__name__
