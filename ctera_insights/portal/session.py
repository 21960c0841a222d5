"""A session with the Portal: login, what the Portal says about it, single-flight re-login, logout."""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar, cast
from urllib.parse import urlencode

from ctera_insights.errors import (
    InsightsError,
    LoginRefused,
    PortalAway,
    PortalRefused,
    SessionLost,
    UsageError,
)
from ctera_insights.portal import xml
from ctera_insights.portal.answers import (
    LoginPage,
    is_login_form,
    is_portals_own,
    refuse_html,
    require_success,
    server_message,
    xml_object,
    xml_value,
)
from ctera_insights.portal.transport import Answer, Request, Transport
from ctera_insights.portal.vain import VainLogins
from ctera_insights.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ctera_insights.portal.retry import OnRetry, RetryPolicy

logger: Final = logging.getLogger(__name__)
T = TypeVar("T")

_FORM: Final = "application/x-www-form-urlencoded"
XML: Final = "application/octet-stream"
"""The content type of v1 bodies that Portals are known to take; it is what the reference client sends."""


@dataclass(frozen=True, slots=True)
class PortalSession:
    """What the Portal says about the session, as text; ``None`` where it says nothing.

    Attributes:
        user: user name.
        domain: the user's domain, for users of a directory.
        role: e.g. ``ReadWriteAdmin``.
        tenant: the tenant that is looked at; ``None`` is the global administration.
        version: of the Portal.
    """

    user: str
    domain: str | None = None
    role: str | None = None
    tenant: str | None = None
    version: str | None = None


class Session:
    """Requests in one session, which is renewed when the Portal has forgotten it.

    Cookies are kept here, not in a cookie jar: a late answer to a request of the old session (a redirect that
    sets a new anonymous cookie) must not replace the cookie of the new one.
    """

    def __init__(
        self, transport: Transport, context: str, *, retries: RetryPolicy, on_retry: OnRetry | None
    ) -> None:
        self.transport = transport
        self.context = context
        self.retries = retries
        self.on_retry = on_retry
        self.info: PortalSession | None = None
        self._user = ""
        self._password: Secret | None = None
        self._browsed: str | None = None
        self._cookies: dict[str, Secret] = {}
        self._generation = 0
        self._signing_in = asyncio.Lock()
        self._refused: LoginRefused | None = None
        self._vain = VainLogins()
        self._gated = False

    def path(self, path: str) -> str:
        """A path below this session's context."""
        return f"/{self.context}{path}"

    async def login(self, user: str, password: Secret) -> PortalSession:
        """Log in, and learn what the session is.

        Raises:
            LoginRefused: wrong user name or password; nothing is tried again.
            SessionLost: the Portal took the password, but not the session.
            PortalError: the Portal cannot be reached or used.
        """
        await self.transport.open()
        async with self._signing_in:
            self._user, self._password = user, password
            self._browsed, self._refused, self.info = None, None, None
            self._vain, self._gated = VainLogins(), False
            try:
                self._begin(await self.retrying(self._sign_in))
            except BaseException:
                self._password = None
                raise
        try:
            self.info = await self._look()
        except SessionLost as error:
            raise SessionLost(
                f"The Portal accepted the password of {user!r}, but not the session. {error}"
            ) from None
        logger.info("Logged in to %s as %s.", self.transport.base, user)
        return self.info

    async def browse(self, tenant: str) -> None:
        """Look at one tenant, or at the global administration (``""``); stays so across re-logins."""
        await self.call(self._tenant_switch(tenant), refuse_html)
        self._browsed = tenant
        self.info = await self._look()

    async def logout(self) -> None:
        """End the session; one that is gone already counts as ended. The password is forgotten first."""
        cookies = self._cookies
        self._password, self.info = None, None
        self._begin({})
        request = Request("POST", self.path("/api/logout"), b"", _FORM)
        try:
            require_success(await self.transport.exchange(request, cookies))
        except SessionLost:
            logger.debug("The session was gone before the logout.")

    async def call(
        self,
        request: Request,
        read: Callable[[Answer], T | Awaitable[T]],
        *,
        retries: RetryPolicy | None = None,
        final: type[InsightsError] | tuple[type[InsightsError], ...] = (),
    ) -> T:
        """Ask in the session, try again what passes, and give ``read(answer)``.

        Args:
            request: what to ask.
            read: makes the result from a 2xx answer, or raises :class:`UnreadableAnswer`.
            retries: instead of the client's policy.
            final: transient errors that are not tried again.
        """
        return await self.retrying(
            lambda: self.attempt(request, read, retries=retries), retries=retries, final=final
        )

    async def retrying(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        retries: RetryPolicy | None = None,
        final: type[InsightsError] | tuple[type[InsightsError], ...] = (),
    ) -> T:
        """Make attempts until one succeeds, or fails for good."""
        return await (retries or self.retries).call(attempt, on_retry=self.on_retry, final=final)

    async def attempt(
        self,
        request: Request,
        read: Callable[[Answer], T | Awaitable[T]],
        *,
        retries: RetryPolicy | None = None,
    ) -> T:
        """One request; when the session is gone: one login, and the request once more.

        ``retries`` is the policy that this is an attempt of. It decides how long logins in vain are borne.
        """
        if self._password is None:
            raise UsageError("Not logged in: call login() first.")
        generation = self._generation
        try:
            return await self._ask(request, read)
        except (SessionLost, LoginPage) as error:
            reason = str(error)
        await self._renew(generation, reason, request.path)
        try:
            return await self._ask(request, read)
        except (SessionLost, LoginPage) as error:
            refused = error
        endless = (retries or self.retries).is_endless
        raise self._vain.one_more(request.path, refused, self._user, endless=endless)

    async def _ask(self, request: Request, read: Callable[[Answer], T | Awaitable[T]]) -> T:
        generation = self._generation
        answer = await self.transport.exchange(request, self._cookies)
        require_success(answer)
        result = read(answer)
        value = await result if inspect.isawaitable(result) else result
        if generation == self._generation:
            self._keep(answer)
        self._vain.over(request.path)
        return cast("T", value)

    def _keep(self, answer: Answer) -> None:
        for name, value in answer.cookies.items():
            if value is None:
                self._cookies.pop(name, None)
            else:
                self._cookies[name] = value

    async def _renew(self, generation: int, reason: str, path: str) -> None:
        """Log in again, unless another request did so since ``generation``."""
        async with self._signing_in:
            if self._refused is not None:
                raise LoginRefused(str(self._refused))
            if generation != self._generation:
                return
            if pause_s := self._vain.pause_s(path):
                await self._pause(pause_s, reason)
            logger.info("%s Logging in again.", reason)
            if self._gated:  # until the way is clear, the password is not sent where it was refused
                await self._knock()
            cookies = await self._sign_in(again=True)
            if self._browsed is not None:
                # Without this the new session would look at another tenant, and the feed change its scope.
                require_success(await self.transport.exchange(self._tenant_switch(self._browsed), cookies))
            self._begin(cookies)

    async def _pause(self, wait_s: float, reason: str) -> None:
        self.tell(SessionLost(f"{reason} Logging in again in {wait_s:.0f} s."), wait_s)
        await asyncio.sleep(wait_s)

    def tell(self, trouble: InsightsError, wait_s: float = 0.0) -> None:
        """Say what is amiss and will be tried in another way after a wait, in seconds."""
        logger.warning("%s", trouble)
        if self.on_retry is not None:
            self.on_retry(trouble, wait_s)

    async def _knock(self) -> None:
        """Ask without a session, which a Portal answers with its login page or in its own words.

        Raises:
            PortalAway: something else answers.
            PortalError: nothing does.
        """
        answer = await self.transport.exchange(Request("GET", self.path("/api/currentSession")), {})
        try:
            require_success(answer)
            refuse_html(answer)
        except LoginPage as error:
            if not is_login_form(answer.body):
                raise PortalAway(str(error), status=answer.status) from None
        except SessionLost as error:
            if answer.status == HTTPStatus.UNAUTHORIZED and not is_portals_own(answer.body):
                raise PortalAway(str(error), status=answer.status) from None
        except PortalRefused:
            return

    def _begin(self, cookies: dict[str, Secret]) -> None:
        self._cookies = cookies
        self._generation += 1

    async def _sign_in(self, *, again: bool = False) -> dict[str, Secret]:
        """Send the credentials; the cookies of the new session."""
        if self._password is None:
            raise UsageError("Not logged in: call login() first.")
        form = Secret(
            urlencode(
                {"j_username": self._user, "j_password": self._password.reveal()},
                errors="surrogateescape",  # undecodable bytes of an environment variable stay what they were
            )
        )
        request = Request("POST", self.path("/api/login"), form, _FORM, hidden=self._password)
        answer = await self.transport.exchange(request, {})
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            if again and not is_portals_own(answer.body):
                # Credentials that worked before: it may be a gateway's page. The Portal itself would answer.
                self._gated = True
                await self._knock()
            said = server_message(answer.body)
            self._refused = LoginRefused(
                f"{self.transport.base} refused the login of {self._user!r}" + (f": {said}" if said else ".")
            )
            raise self._refused
        cookies = {name: value for name, value in answer.cookies.items() if value is not None}
        try:
            require_success(answer)
            if not cookies:
                refuse_html(answer)
        except (SessionLost, LoginPage) as error:
            if not cookies:
                raise self._no_session(error, answer, again=again) from None
        self._gated = False
        return cookies

    def _no_session(self, error: SessionLost | LoginPage, answer: Answer, *, again: bool) -> InsightsError:
        """A page came instead of a session: the error to raise."""
        text = f"The login got no session. {error}"
        if isinstance(error, LoginPage) and not is_login_form(answer.body):
            return PortalAway(
                f"{text} It is no login page: the Portal may be in maintenance.", status=answer.status
            )
        # Credentials that worked before: the Portal is unwell. Nothing speaks for new ones.
        return SessionLost(text) if again else LoginRefused(text)

    async def _look(self) -> PortalSession:
        """The session as the Portal describes it; it may leave out anything."""
        fields = await self._get("/api/currentSession", xml_object)
        tenant = await self._get_text("/api/currentPortal")
        return PortalSession(
            user=_text(fields.get("username")) or self._user,
            domain=_text(fields.get("domain")),
            role=_text(fields.get("role")),
            tenant=tenant,
            version=await self._get_text("/api/version"),
        )

    async def _get(self, path: str, read: Callable[[Answer], T], *final: type[InsightsError]) -> T:
        return await self.call(Request("GET", self.path(path)), read, final=(SessionLost, *final))

    async def _get_text(self, path: str) -> str | None:
        try:
            return _text(await self._get(path, xml_value, PortalAway))
        except (PortalRefused, PortalAway) as error:
            logger.debug("%s", error)  # not every role may ask this
            return None

    def _tenant_switch(self, tenant: str) -> Request:
        return Request("PUT", self.path("/api/currentPortal"), xml.encode(tenant), XML)


def _text(value: xml.XMLValue) -> str | None:
    return value if isinstance(value, str) and value else None
