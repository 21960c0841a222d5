"""The two sides of Direct IO: the Portal, which gets the access key; the object store, which does not."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import aiohttp
from yarl import URL

from ctera_insights.errors import (
    PortalBusy,
    PortalError,
    PortalRefused,
    PortalTimeout,
    PortalUnreachable,
    TLSFailed,
)
from ctera_insights.portal.answers import is_html
from ctera_insights.portal.directio.codec import BadBlock, longest_stored
from ctera_insights.portal.proxy import environment_proxy
from ctera_insights.portal.reading import Watch
from ctera_insights.portal.retry import retry_after_s
from ctera_insights.portal.transport import LONGEST_HEADER, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ctera_insights.portal.tls import TLSOptions
    from ctera_insights.portal.transport import Timeouts
    from ctera_insights.settings import Secret

LONGEST_LIST_BYTES: Final = 256 << 20
"""Of a block list: some 800,000 blocks, which are terabytes."""
_MAX_REDIRECTS: Final = 5
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_IDENTITY: Final = {"Accept-Encoding": "identity"}
T = TypeVar("T")


class RedirectRefused(PortalRefused):
    """The Portal redirects the access key to where it is not sent: a login page, or another host."""


@dataclass(slots=True)
class Http:
    """Connections to the Portal and to the object store, kept alive between requests.

    Attributes:
        portal: root of the Portal; the bearer goes to this scheme, host and port only.
        bearer: what the Portal gets as ``Authorization``.
        tls: a ``ca_file`` is trusted besides the system's authorities at the store, and instead of them at
            the Portal; the client's certificate is shown to the Portal only.
        timeouts: per connection and per piece of an answer.
        user_agent: of both.
    """

    portal: URL
    bearer: Secret
    tls: TLSOptions
    timeouts: Timeouts
    user_agent: str | None = None
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _portal_tls: ssl.SSLContext | bool = field(default=True, init=False, repr=False)
    _store_tls: ssl.SSLContext | bool = field(default=True, init=False, repr=False)
    _proxies: dict[tuple[str, str], Secret | None] = field(default_factory=dict, init=False, repr=False)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def block_list(self, file_id: int) -> bytes:
        """GET the block list. Follows redirects within the Portal's own origin only.

        Raises:
            PortalError: an HTTP error, or no answer; ``transient`` says whether it may pass.
        """
        return await _told(self._block_list(file_id), "the Portal")

    async def stored_block(self, url: str, length: int) -> tuple[list[bytes], str | None]:
        """GET a block by its signed URL, byte for byte.

        Args:
            url: from the block list.
            length: of the block once decoded; what is far longer than it could be is not read.

        Returns:
            The block as it is stored, in pieces, and its ``Content-MD5`` where the store tells one.

        Raises:
            BadBlock: far too long.
            PortalError: an HTTP error, or no answer; ``transient`` says whether it may pass.
        """
        return await _told(self._stored_block(url, length), "the object store")

    async def close(self) -> None:
        """Close all connections; a request under way fails."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _block_list(self, file_id: int) -> bytes:
        session = await self._open()
        url = self.portal.with_path(f"/directio/{file_id}")
        for _ in range(_MAX_REDIRECTS):
            async with (
                self._watch(f"the request for the blocks of file {file_id}") as watch,
                session.get(
                    url,
                    headers={"Authorization": f"Bearer {self.bearer.reveal()}"},
                    ssl=self._portal_tls,
                    proxy=self._proxy(url),
                    allow_redirects=False,
                ) as response,
            ):
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    body = await _list_body(response, watch)
                    _require_ok(response, "The Portal", body)
                    return body
                url = self._same_origin(url, location, response.status)
        raise PortalRefused("The Portal redirects in a circle.", status=302)

    async def _stored_block(self, url: str, length: int) -> tuple[list[bytes], str | None]:
        session = await self._open()
        try:
            signed = URL(url, encoded=True)
            at_portal = signed.origin() == self.portal
        except ValueError:
            raise PortalRefused("The block list holds an address that is not one.", status=0) from None
        async with (
            self._watch(f"the request for a block of {length:,} bytes") as watch,
            session.get(
                signed,
                headers=_IDENTITY,
                ssl=self._portal_tls if at_portal else self._store_tls,
                proxy=self._proxy(signed),
                max_redirects=_MAX_REDIRECTS,
                auto_decompress=False,  # a gzip block may be labelled as an encoding; it is content here
            ) as response,
        ):
            _require_ok(response, "The object store", b"")
            pieces = await _read(response, longest_stored(length), watch)
            return pieces, response.headers.get("Content-MD5")

    def _watch(self, what: str) -> Watch:
        limits = self.timeouts
        head_s = 2 * (limits.connect_s + limits.read_s)
        return Watch(what, head_s=head_s, window_s=limits.read_s, tell=lambda *_: None)  # it is logged

    async def _open(self) -> aiohttp.ClientSession:
        if self._session is not None:
            return self._session
        async with self._opening:
            if self._session is None:
                self._portal_tls, self._store_tls = await asyncio.to_thread(self._contexts)
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0),  # the client counts what is in flight itself
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers={"User-Agent": self.user_agent or USER_AGENT},
                    timeout=aiohttp.ClientTimeout(
                        total=None, sock_connect=self.timeouts.connect_s, sock_read=self.timeouts.read_s
                    ),
                    requote_redirect_url=False,
                    max_line_size=LONGEST_HEADER,
                    max_field_size=LONGEST_HEADER,
                    read_bufsize=1 << 18,
                )
            return self._session

    def _contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        portal = self.tls.context()
        store = ssl.create_default_context()
        if not self.tls.verify:
            store.check_hostname = False
            store.verify_mode = ssl.CERT_NONE
        elif self.tls.ca_file is not None:
            path = Path(self.tls.ca_file)
            place = os.fspath(path)
            store.load_verify_locations(*((None, place) if path.is_dir() else (place, None)))
        return portal, store

    def _proxy(self, url: URL) -> str | None:
        """The environment's proxy for an address, looked up once for each host."""
        place = (url.scheme, url.host or "")
        if place not in self._proxies:
            self._proxies[place] = environment_proxy(url)
        proxy = self._proxies[place]
        return proxy.reveal() if proxy else None

    def _same_origin(self, url: URL, location: str, status: int) -> URL:
        try:
            target = url.join(URL(location, encoded=True))
            inside = target.origin() == self.portal
        except ValueError:
            raise RedirectRefused("The Portal redirects to no valid address.", status=status) from None
        if not inside:
            raise RedirectRefused(
                f"The Portal redirects to {target.origin()}, where the access key is not sent. "
                "If that is the Portal's address, give it instead.",
                status=status,
            )
        if target.path.endswith(("/login.html", "/login")):
            raise RedirectRefused("The Portal redirects to its login page.", status=status)
        return target


def _require_ok(response: aiohttp.ClientResponse, who: str, body: bytes) -> None:
    status = response.status
    if status == 200:
        return
    # A web page is a gateway's, or of a Portal that is starting: it says nothing about the file.
    passes = status in _TRANSIENT or (status != 401 and is_html(body))
    kind = PortalBusy if passes else PortalRefused
    raise kind(
        f"{who} answered HTTP {status} ({response.reason}).",
        status=status,
        message=body[:200].decode("utf-8", "replace"),
        retry_after_s=retry_after_s(response.headers.get("Retry-After")),
    )


async def _told(exchange: Coroutine[None, None, T], who: str) -> T:
    """Await an exchange; what aiohttp raises becomes an error of this package, without the signed URL.

    An address may pass for one and still not be: a label too long, a port out of range, a name without an
    IDNA form. The resolver, the codecs and the socket then raise errors of their own, all of them these.
    """
    try:
        return await exchange
    except BadBlock:
        raise
    except PortalTimeout as error:
        failure: PortalError = PortalTimeout(str(error))
    except (aiohttp.ClientError, OSError, ValueError, OverflowError) as error:
        failure = _failure(error, who)
    # Raised out here, without the original as context: its frames hold the access key.
    raise failure


def _failure(error: Exception, who: str) -> PortalError:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "not valid for this host"
            failure: PortalError = TLSFailed(
                f"The certificate of {who} was not accepted: {reason}. If a private authority issued it, "
                "give its certificate as ca_file (--ca-file)."
            )
        case aiohttp.ClientConnectorSSLError():
            failure = TLSFailed(
                f"The TLS handshake with {who} failed: {error.strerror or 'no reason given'}."
            )
        case TimeoutError():
            failure = PortalTimeout(f"No answer from {who} in time.")
        case aiohttp.ClientPayloadError():
            failure = PortalUnreachable(f"The answer of {who} was cut off.")
        case aiohttp.ServerDisconnectedError():
            failure = PortalUnreachable(f"The connection to {who} was closed without an answer.")
        case aiohttp.InvalidURL() | aiohttp.TooManyRedirects() | ValueError() | OverflowError():
            failure = PortalRefused(f"The address of {who} is not valid, or redirects in a circle.", status=0)
        case aiohttp.ClientResponseError():
            failure = PortalUnreachable(f"The answer of {who} is not HTTP.")
        case aiohttp.ClientConnectorError():
            failure = PortalUnreachable(f"No connection to {who}: {error.strerror or 'no reason given'}.")
        case OSError():
            failure = PortalUnreachable(f"The connection to {who} broke: {error.strerror or error}.")
        case _:
            failure = PortalUnreachable(f"The exchange with {who} failed: {type(error).__name__}.")
    return failure


async def _list_body(response: aiohttp.ClientResponse, watch: Watch) -> bytes:
    """Read a block list, which may come compressed, up to a limit."""
    pieces = []
    read = 0
    watch.head()
    while piece := await response.content.readany():
        watch.received(len(piece))
        read += len(piece)
        if read > LONGEST_LIST_BYTES:
            response.close()
            raise PortalRefused(
                f"The block list is longer than {LONGEST_LIST_BYTES >> 20} MiB; no file has so many blocks.",
                status=0,
            )
        pieces.append(piece)
    return b"".join(pieces)


async def _read(response: aiohttp.ClientResponse, limit: int, watch: Watch) -> list[bytes]:
    """Read a body in the pieces it comes in, never more than ``limit`` bytes of it."""
    if (response.content_length or 0) > limit:
        response.close()
        raise BadBlock(f"it is stored in {response.content_length} bytes, more than any format needs")
    pieces = []
    read = 0
    watch.head()
    while piece := await response.content.readany():
        watch.received(len(piece))
        read += len(piece)
        if read > limit:
            response.close()
            raise BadBlock("it is stored in more bytes than any format needs")
        pieces.append(piece)
    return pieces
