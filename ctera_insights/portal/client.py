"""The two faces of a Portal: the administration, and the end users' portal."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, final

from ctera_insights.portal.address import portal_url
from ctera_insights.portal.folders import FolderIds
from ctera_insights.portal.notifications import Notifications
from ctera_insights.portal.retry import RetryPolicy
from ctera_insights.portal.session import PortalSession, Session
from ctera_insights.portal.tls import TLSOptions, warn_insecure
from ctera_insights.portal.transport import Timeouts, Transport
from ctera_insights.settings import Secret

if TYPE_CHECKING:
    from types import TracebackType

    from ctera_insights.portal.retry import OnRetry
    from ctera_insights.portal.tls import ClientCert, StrPath


class _AsyncPortal:
    """What both contexts share. Use it inside ``async with``; leaving closes the connections.

    Args:
        host: host name, ``host:port``, or a full URL (its scheme then wins over ``https``).
        port: TCP port, default 443, or 80 without ``https``.
        https: whether to speak TLS when ``host`` is no URL.
        verify: ``False`` accepts any certificate, and warns.
        ca_file: PEM file of the authorities to trust instead of the system's.
        client_cert: this client's certificate: a PEM file with its key, or ``(certificate, key)``.
        timeouts: time limits.
        retries: for every request; by default :class:`RetryPolicy`, and without limit for
            ``notifications.service``, which runs until it is stopped.
        user_agent: instead of this package's.
        on_retry: called with each passing error and the wait in seconds before the next attempt; also, every
            15 seconds, while an answer is slow, with the seconds after which it is given up.
        page_limit_bytes: the largest page that is read, unpacked; by default what
            ``CTERA_INSIGHTS_PAGE_LIMIT_MIB`` says, else 256 MiB. A larger one is asked for again with half as
            many entries, down to one. Any other answer may have 8 MiB.

    Proxies come from ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``.

    Raises:
        UsageError: an address or an option that makes no sense.

    Attributes:
        notifications: the Notification Service.
        url: the Portal's root, e.g. ``https://tenant.ctera.com``.
    """

    context: ClassVar[str]

    def __init__(
        self,
        host: str,
        port: int | None = None,
        https: bool = True,
        *,
        verify: bool = True,
        ca_file: StrPath | None = None,
        client_cert: ClientCert | None = None,
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
        user_agent: str | None = None,
        on_retry: OnRetry | None = None,
        page_limit_bytes: int | None = None,
    ) -> None:
        base = portal_url(host, port, https)
        tls = TLSOptions(verify, ca_file, client_cert)
        if not verify and base.scheme == "https":
            warn_insecure(str(base.host), stacklevel=2)
        self.url = str(base)
        self._transport = Transport(
            base,
            tls=tls,
            timeouts=timeouts or Timeouts(),
            user_agent=user_agent,
            page_limit_bytes=page_limit_bytes,
            tell=on_retry,
        )
        self._session = Session(
            self._transport, self.context, retries=retries or RetryPolicy(), on_retry=on_retry
        )
        self._folders = FolderIds(self._session)
        self.notifications = Notifications(
            self._session, self._folders, service_retries=retries or RetryPolicy.forever()
        )

    def __repr__(self) -> str:
        user = f" as {self.session.user!r}" if self.session else ""
        return f"<{type(self).__name__} {self.url}{user}>"

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def session(self) -> PortalSession | None:
        """User, role, tenant and version as the Portal told them at login; ``None`` when not logged in."""
        return self._session.info

    async def login(self, user: str, password: str | Secret) -> None:
        """Log in. From then on a session that the Portal forgets is renewed by itself.

        Raises:
            LoginRefused: wrong user name or password: never tried again.
            SessionLost: the Portal took the password, but not the session.
            PortalError: the Portal cannot be reached or used.
        """
        password = (
            password if isinstance(password, Secret) else Secret(password)
        )  # tracebacks may show locals
        self._folders.forget()
        await self._session.login(user, password)

    async def logout(self) -> None:
        """Stop the service, end the session and close the connections; ``login()`` may follow.

        Raises:
            PortalError: the Portal could not be told. The session is forgotten here all the same.
        """
        await self.notifications.service.stop()
        try:
            await self._session.logout()
        finally:
            await self._transport.close()

    async def close(self) -> None:
        """Stop the service and close the connections without logging out. May be called twice."""
        await self.notifications.service.stop()
        await self._transport.close()


@final
class AsyncGlobalAdmin(_AsyncPortal):
    """A Portal in the ``admin`` context: the global administration, or a tenant's administrator.

    Example::

        async with AsyncGlobalAdmin("tenant.ctera.com") as admin:
            await admin.login("admin", password)
            page = await admin.notifications.get()
            await admin.logout()
    """

    context = "admin"

    @property
    def portals(self) -> Portals:
        """Tenants, for a global administrator."""
        return Portals(self._session, self._folders)


@final
class AsyncServicesPortal(_AsyncPortal):
    """A Portal in the ``ServicesPortal`` context: as its users see it."""

    context = "ServicesPortal"


class Portals:
    """Which tenant a global administrator looks at."""

    def __init__(self, session: Session, folders: FolderIds) -> None:
        self._session = session
        self._folders = folders

    async def browse(self, tenant: str) -> None:
        """Look at one tenant from now on, also after a re-login."""
        self._folders.forget()
        await self._session.browse(tenant)

    async def browse_global_admin(self) -> None:
        """Look at the global administration."""
        await self.browse("")
