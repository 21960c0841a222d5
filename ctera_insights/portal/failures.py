"""What a failed exchange means, in this package's terms: from aiohttp's and the system's errors to ours."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import aiohttp

from ctera_insights.errors import (
    PortalError,
    PortalRefused,
    PortalTimeout,
    PortalUnreachable,
    TLSFailed,
    UnreadableAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yarl import URL

PROXY_WANTS_LOGIN: Final = 407

_FAILURES: Final[tuple[tuple[type[Exception], type[PortalError], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, PortalTimeout, "No connection for {what} in time."),
    (TimeoutError, PortalTimeout, "No answer to {what} in time."),
    (aiohttp.ClientProxyConnectionError, PortalUnreachable, "The proxy to {base} does not answer: {reason}."),
    (aiohttp.ClientConnectorDNSError, PortalUnreachable, "{host!r} has no address: {reason}."),
    (aiohttp.ClientPayloadError, PortalUnreachable, "The answer to {what} was cut off."),
    (aiohttp.ServerDisconnectedError, PortalUnreachable, "The Portal hung up without an answer to {what}."),
    (
        aiohttp.ClientResponseError,
        UnreadableAnswer,
        "The answer to {what} is not HTTP, or has a header longer than any of use.",
    ),
    (aiohttp.InvalidURL, PortalUnreachable, "The address of {what} or of the proxy to it is not valid."),
    (Exception, PortalUnreachable, "No connection for {what}: {reason}."),
)
"""The first line that fits says what an error means."""

_PASSING_ALERTS: Final = ("INTERNAL_ERROR", "UNRECOGNIZED_NAME", "NO_RENEGOTIATION")
"""What a server says that has no certificate at hand yet."""


def failure(error: Exception, what: str, base: URL, *, spoke_tls: bool) -> PortalError:
    """The error to raise for one that ended an exchange.

    Args:
        error: as aiohttp or the system raised it.
        what: what was asked.
        base: the Portal's root.
        spoke_tls: whether this Portal's TLS was in order before. Then it is most likely restarting, or a
            gateway stands in for it meanwhile; both pass.
    """
    if (tls := _tls_error(error)) is not None:
        text = _tls_text(tls, what, base)
        if spoke_tls:
            return PortalUnreachable(f"{text} It was in order before, so this may pass.")
        if any(alert in (tls.reason or "") for alert in _PASSING_ALERTS):
            return PortalUnreachable(text)
        return TLSFailed(text)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return refused_by_proxy(error.status, error.message, base)
    kind, text = next((kind, text) for fits, kind, text in _FAILURES if isinstance(error, fits))
    host = getattr(error, "host", base.host)  # the proxy's, where that has no address
    return kind(text.format(what=what, base=base, host=host, reason=_reason(error)))


def refused_by_proxy(status: int, words: str, base: URL) -> PortalError:
    """The proxy's own refusal. One over its credentials is final: repeating could lock the account."""
    text = f"The proxy refused the way to {base}: HTTP {status} {words}."
    if status in (403, PROXY_WANTS_LOGIN):
        return PortalRefused(f"{text} Check the proxy and its credentials.", status=status)
    return PortalUnreachable(text)


def _reason(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The TLS failure at the root of an error; a connection that merely broke off is none."""
    for step in _chain(error):
        if isinstance(step, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return None
        if isinstance(step, ssl.SSLError):
            return step
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    step: BaseException | None = error
    while step is not None:
        # aiohttp's TLS errors are SSLErrors too, but only the one within tells the reason.
        for name in ("certificate_error", "os_error"):
            inner = getattr(step, name, None)
            if isinstance(inner, BaseException):
                yield inner
        yield step
        step = step.__cause__ or step.__context__


def _tls_text(error: ssl.SSLError, what: str, base: URL) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {base.host} was not accepted: {error.verify_message}. "
            "If a private authority issued it, give its certificate as ca_file (--ca-file)."
        )
    reason = getattr(error, "reason", None) or str(error)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return (
            f"{base} does not speak TLS ({reason}). Is it plain HTTP? Then write http://… (or https=False)."
        )
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return f"{base} refused the handshake ({reason}). It may want a client certificate: client_cert."
    return f"The TLS connection for {what} failed: {reason}."
