"""One HTTP exchange with the Portal: TLS, proxies, time limits, and errors in this package's terms."""

from __future__ import annotations

import asyncio
import math
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

import ctera_insights
from ctera_insights.errors import (
    PortalError,
    PortalRefused,
    PortalTimeout,
    PortalUnreachable,
    TLSFailed,
    UnreadableAnswer,
    UsageError,
)
from ctera_insights.portal.retry import retry_after_s
from ctera_insights.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctera_insights.portal.tls import TLSOptions

_PROXY_WANTS_LOGIN: Final = 407
USER_AGENT: Final = f"ctera-insights/{ctera_insights.__version__} aiohttp/{aiohttp.__version__}"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits, all in seconds.

    Attributes:
        connect_s: for a connection, its TLS handshake included.
        read_s: between two pieces of an answer. A Portal may take long over its first page.
        longpoll_s: how long the Portal is asked to hold a request when nothing changed.
        longpoll_margin_s: how much later than ``longpoll_s`` the answer may come before the connection counts
            as dead.
    """

    connect_s: float = 10.0
    read_s: float = 60.0
    longpoll_s: float = 10.0
    longpoll_margin_s: float = 10.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not math.isfinite(value)
                or not 0 < value <= 3600
            ):
                raise UsageError(f"{name}={value!r}: seconds, above 0 and up to 3600.")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        method: HTTP method.
        path: everything after the host, already percent-encoded.
        body: the body; a :class:`Secret` where it holds a password.
        content_type: of the body.
        read_timeout_s: seconds to wait for the answer, instead of :attr:`Timeouts.read_s`.
    """

    method: str
    path: str
    body: bytes | Secret | None = None
    content_type: str | None = None
    read_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever the status."""

    what: str
    """Method and address asked, for messages."""
    status: int
    body: bytes = field(repr=False)
    location: str | None = field(repr=False)
    retry_after_s: float | None
    cookies: dict[str, Secret | None] = field(repr=False)
    """Cookies that the answer sets, or (``None``) takes away."""


class Transport:
    """HTTP to one Portal over kept-alive connections; it knows nothing of sessions."""

    def __init__(self, base: URL, *, tls: TLSOptions, timeouts: Timeouts, user_agent: str | None) -> None:
        self.base = base
        self.timeouts = timeouts
        self._tls = tls
        self._user_agent = user_agent or USER_AGENT
        self._http: aiohttp.ClientSession | None = None
        self._proxy: Secret | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Make ready; nothing is sent yet.

        Raises:
            UsageError: a certificate file cannot be used.
        """
        async with self._opening:
            if self._http is not None:
                return
            context: ssl.SSLContext | bool = True
            if self.base.scheme == "https":
                context = await asyncio.to_thread(self._tls.context)
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),  # the session keeps its cookies itself, see session.py
                headers={"User-Agent": self._user_agent},
            )
            self._proxy = environment_proxy(self.base)

    async def close(self) -> None:
        """Close all connections; a request under way fails."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def exchange(self, request: Request, cookies: dict[str, Secret]) -> Answer:
        """Send one request and read its whole answer. Redirects are not followed.

        Raises:
            UsageError: the client is not open.
            PortalError: no answer came; the error says why and whether it may pass.
        """
        if self._http is None:
            raise UsageError("The client is closed: use it inside `async with`, or call login() first.")
        what = f"{request.method} {self.base}{request.path}"
        try:
            answer = await self._send(self._http, request, cookies, what)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            failure = _failure(error, what, self.base)
        else:
            if answer.status != _PROXY_WANTS_LOGIN:
                return answer
            failure = _refused_by_proxy(_PROXY_WANTS_LOGIN, "Proxy Authentication Required", self.base)
        # Raised out here, without the original as context: its frames hold cookies and passwords.
        raise failure

    async def _send(
        self, http: aiohttp.ClientSession, request: Request, cookies: dict[str, Secret], what: str
    ) -> Answer:
        body = request.body
        async with http.request(
            request.method,
            URL(f"{self.base}{request.path}", encoded=True),
            data=body.reveal().encode() if isinstance(body, Secret) else body,
            headers=_headers(request, cookies),
            allow_redirects=False,
            proxy=self._proxy.reveal() if self._proxy else None,
            timeout=self._limits(request.read_timeout_s),
        ) as response:
            return Answer(
                what,
                response.status,
                await response.read(),
                response.headers.get("Location"),
                retry_after_s(response.headers.get("Retry-After")),
                {
                    name: None if _expired(morsel["max-age"]) else Secret(morsel.coded_value)
                    for name, morsel in response.cookies.items()
                },
            )

    def _limits(self, read_timeout_s: float | None) -> aiohttp.ClientTimeout:
        limits = self.timeouts
        if read_timeout_s is None:
            return aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s, sock_read=limits.read_s)
        return aiohttp.ClientTimeout(
            total=limits.connect_s + read_timeout_s,
            sock_connect=limits.connect_s,
            sock_read=read_timeout_s,
        )


def environment_proxy(url: URL) -> Secret | None:
    """The proxy that ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` (or the system) name for an address.

    aiohttp's own ``trust_env`` would do so too, but also send passwords of ``~/.netrc`` along.
    """
    proxy = getproxies().get(url.scheme)
    return None if not proxy or proxy_bypass(url.host or "") else Secret(proxy)


def _headers(request: Request, cookies: dict[str, Secret]) -> dict[str, str]:
    headers = {}
    if request.content_type:
        headers["Content-Type"] = request.content_type
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value.reveal()}" for name, value in cookies.items())
    return headers


def _expired(max_age: str) -> bool:
    return max_age.startswith("-") or max_age == "0"


_FAILURES: Final[tuple[tuple[type[Exception], type[PortalError], str], ...]] = (
    (aiohttp.ConnectionTimeoutError, PortalTimeout, "No connection for {what} in time."),
    (TimeoutError, PortalTimeout, "No answer to {what} in time."),
    (aiohttp.ClientProxyConnectionError, PortalUnreachable, "The proxy to {base} does not answer: {reason}."),
    (aiohttp.ClientConnectorDNSError, PortalUnreachable, "{base.host!r} has no address: {reason}."),
    (aiohttp.ClientPayloadError, PortalUnreachable, "The answer to {what} was cut off."),
    (aiohttp.ServerDisconnectedError, PortalUnreachable, "The Portal hung up without an answer to {what}."),
    (aiohttp.ClientResponseError, UnreadableAnswer, "The answer to {what} is not HTTP."),
    (Exception, PortalUnreachable, "No connection for {what}: {reason}."),
)
"""The first line that fits says what an error means."""


def _failure(error: Exception, what: str, base: URL) -> PortalError:
    if (tls := _tls_error(error)) is not None:
        return TLSFailed(_tls_text(tls, what, base))
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _refused_by_proxy(error.status, error.message, base)
    kind, text = next((kind, text) for fits, kind, text in _FAILURES if isinstance(error, fits))
    return kind(text.format(what=what, base=base, reason=_reason(error)))


def _refused_by_proxy(status: int, words: str, base: URL) -> PortalError:
    text = f"The proxy refused the way to {base}: HTTP {status} {words}."
    if status in (403, _PROXY_WANTS_LOGIN):
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
            "If a private authority issued it, give its certificate as ca_file."
        )
    reason = getattr(error, "reason", None) or str(error)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return f"{base} does not speak TLS ({reason}). Is it plain HTTP (https=False, http://…)?"
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return f"{base} refused the handshake ({reason}). It may want a client certificate: client_cert."
    return f"The TLS connection for {what} failed: {reason}."
