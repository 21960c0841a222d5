"""One HTTP exchange with the Portal: TLS, proxies, time limits, and errors in this package's terms."""

from __future__ import annotations

import asyncio
import math
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

import ctera_insights
from ctera_insights.errors import InsightsError, UsageError
from ctera_insights.portal.cookies import cookies as cookies_of
from ctera_insights.portal.failures import PROXY_WANTS_LOGIN, failure, refused_by_proxy
from ctera_insights.portal.proxy import environment_proxy
from ctera_insights.portal.reading import SMALL_ANSWER, Watch, read_answer, read_error_page
from ctera_insights.portal.redact import Redactor
from ctera_insights.portal.retry import retry_after_s
from ctera_insights.portal.unpack import ACCEPTED
from ctera_insights.settings import Secret, mebibytes

if TYPE_CHECKING:
    import ssl

    from ctera_insights.portal.reading import Tell
    from ctera_insights.portal.tls import TLSOptions

PAGE_LIMIT_MIB: Final = 256
"""How large a page of the feed may be, unpacked, unless told otherwise."""
PAGE_LIMIT: Final = "CTERA_INSIGHTS_PAGE_LIMIT_MIB"
"""The variable that tells otherwise."""
LONGEST_HEADER: Final = 2**18
"""Bytes of one header: gateways add policies of tens of kilobytes."""
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
        limit_bytes: the largest answer that is read, unpacked.
        hidden: what no message may repeat, should the answer echo it.
    """

    method: str
    path: str
    body: bytes | Secret | None = None
    content_type: str | None = None
    read_timeout_s: float | None = None
    limit_bytes: int = SMALL_ANSWER
    hidden: Secret | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever the status. Of an error, secrets that it echoes are masked."""

    what: str
    """Method and address asked, for messages."""
    status: int
    body: bytes = field(repr=False)
    location: str | None = field(repr=False)
    retry_after_s: float | None
    cookies: dict[str, Secret | None] = field(repr=False)
    """Cookies that the answer sets, or (``None``) takes away."""
    asked_bytes: int = 0
    """Size of the request's body."""


class Transport:
    """HTTP to one Portal over kept-alive connections; it knows nothing of sessions."""

    def __init__(
        self,
        base: URL,
        *,
        tls: TLSOptions,
        timeouts: Timeouts,
        user_agent: str | None,
        page_limit_bytes: int | None = None,
        tell: Tell | None = None,
    ) -> None:
        if page_limit_bytes is not None and page_limit_bytes < 1:
            raise UsageError(f"page_limit_bytes={page_limit_bytes!r}: at least 1.")
        self.base = base
        self.timeouts = timeouts
        self.page_limit_bytes = page_limit_bytes or PAGE_LIMIT_MIB * 2**20
        self._page_limit_is_given = page_limit_bytes is not None
        self._tls = tls
        self._user_agent = user_agent or USER_AGENT
        self._tell = tell or (lambda _error, _wait_s: None)
        self._http: aiohttp.ClientSession | None = None
        self._proxy: Secret | None = None
        self._spoke_tls = False
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Make ready; nothing is sent yet.

        Raises:
            UsageError: a certificate file, the environment's proxy, or its limit of a page cannot be used.
        """
        async with self._opening:
            if self._http is not None:
                return
            self._proxy = environment_proxy(self.base)
            context = await asyncio.to_thread(self._prepare)
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),  # the session keeps its cookies itself, see session.py
                headers={"User-Agent": self._user_agent, "Accept-Encoding": ACCEPTED},
                auto_decompress=False,  # see unpack.py
                max_line_size=LONGEST_HEADER,
                max_field_size=LONGEST_HEADER,
            )

    def _prepare(self) -> ssl.SSLContext | bool:
        """What reads files."""
        if not self._page_limit_is_given:
            self.page_limit_bytes = mebibytes("page_limit_mib", PAGE_LIMIT_MIB)
        return self._tls.context() if self.base.scheme == "https" else True

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
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # of a name that cannot be looked up
            failed: InsightsError = failure(error, what, self.base, spoke_tls=self._spoke_tls)
        except InsightsError as error:
            failed = error.with_traceback(None)
        else:
            if answer.status != PROXY_WANTS_LOGIN:
                self._spoke_tls = self.base.scheme == "https"
                return answer
            failed = refused_by_proxy(answer.status, "Proxy Authentication Required", self.base)
        # Raised out here, without the original as context: its frames hold cookies and passwords.
        self._redactor(request, cookies).error(failed)
        raise failed

    async def _send(
        self, http: aiohttp.ClientSession, request: Request, cookies: dict[str, Secret], what: str
    ) -> Answer:
        body = request.body
        async with (
            self._watch(request, what) as watch,
            http.request(
                request.method,
                URL(f"{self.base}{request.path}", encoded=True),
                data=body.reveal().encode() if isinstance(body, Secret) else body,
                headers=_headers(request, cookies),
                allow_redirects=False,
                proxy=self._proxy.reveal() if self._proxy else None,
                timeout=self._limits(request.read_timeout_s),
            ) as response,
        ):
            location = response.headers.get("Location")
            set_cookies = cookies_of(response.headers.getall("Set-Cookie", []))
            if 200 <= response.status < 300:
                content = await read_answer(response, what, request.limit_bytes, watch)
            else:
                redactor = self._redactor(request, cookies, set_cookies)
                content = redactor.data(await read_error_page(response, what, watch))
                location = redactor.text(location) if location else location
            return Answer(
                what,
                response.status,
                content,
                location,
                retry_after_s(response.headers.get("Retry-After")),
                set_cookies,
                len(body) if isinstance(body, bytes) else 0,
            )

    def _watch(self, request: Request, what: str) -> Watch:
        limits = self.timeouts
        if request.read_timeout_s is not None:  # its time is up before this watch would act
            return Watch(what, head_s=math.inf, window_s=limits.read_s, tell=None)
        return Watch(
            what, head_s=2 * (limits.connect_s + limits.read_s), window_s=limits.read_s, tell=self._tell
        )

    def _redactor(
        self,
        request: Request,
        cookies: dict[str, Secret],
        set_cookies: dict[str, Secret | None] | None = None,
    ) -> Redactor:
        secrets = [*cookies.values(), *(set_cookies or {}).values(), request.hidden, *_parts_of(self._proxy)]
        if isinstance(request.body, Secret):
            secrets.append(request.body)
        return Redactor(secret for secret in secrets if secret is not None)

    def _limits(self, read_timeout_s: float | None) -> aiohttp.ClientTimeout:
        limits = self.timeouts
        if read_timeout_s is None:
            return aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s, sock_read=limits.read_s)
        return aiohttp.ClientTimeout(
            total=limits.connect_s + read_timeout_s,
            sock_connect=limits.connect_s,
            sock_read=read_timeout_s,
        )


def _headers(request: Request, cookies: dict[str, Secret]) -> dict[str, str]:
    headers = {}
    if request.content_type:
        headers["Content-Type"] = request.content_type
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value.reveal()}" for name, value in cookies.items())
    return headers


def _parts_of(proxy: Secret | None) -> list[Secret]:
    """What of a proxy's URL must not be told: its password, also as the proxy gets it."""
    if proxy is None or not (password := URL(proxy.reveal()).password):
        return []
    user = URL(proxy.reveal()).user or ""
    return [Secret(password), Secret(b64encode(f"{user}:{password}".encode()).decode("ascii"))]
