"""The simulated Portal as a server: what it serves, where it listens, and how it starts and ends."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from ctera_insights.simulator import gate, misbehave, v1, v2
from ctera_insights.simulator.directio import DirectIOSettings
from ctera_insights.simulator.directio import add_routes as add_directio_routes
from ctera_insights.simulator.faults import Faults
from ctera_insights.simulator.feed import Feed
from ctera_insights.simulator.history import History
from ctera_insights.simulator.sessions import Sessions
from ctera_insights.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from ctera_insights.simulator.sources.base import Source
    from ctera_insights.simulator.tls import ServerTLS

_GRACE_S: Final = 0.1


class SimulatedPortal:
    """A Portal for programs and tests: both contexts, over HTTP or HTTPS, on the loopback.

    Args:
        content: what it serves: a source, a world, a feed; an empty world when not given.
        user: name of the one user who may log in.
        password: that user's password; a random one (see ``portal.password``) when not given.
        host: address to listen at.
        port: port to listen at; 0 takes a free one.
        https: listen with a certificate of an authority of its own (``portal.ca_file``).
        client_ca_file: when given, clients must show a certificate of this authority.
        faults: what goes wrong, as :class:`~ctera_insights.simulator.faults.Faults` or its text.
        speed: lets a source's history happen at its own pace, so many times faster than it was;
            ``None`` makes all of it listable at once.
        role: the user's role.
        tenant: the tenant that sessions look at; empty is the global administration.
        version: the Portal's version; current clients need four numbers.
        max_folders: most cloud folders in one request.
        idle_timeout_s: seconds without a request after which a session is gone; ``None`` is never.
        bearer: a token that stands for a login in ``Authorization: Bearer``.
        directio: how content is served.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     world = World(Feed())
        ...     world.create(world.cloud_folder("Projects"), "plan.txt", size=12)
        ...     async with SimulatedPortal(world, user="admin") as portal:
        ...         return portal.url.partition(":")[0]
        >>> asyncio.run(main())
        'http'
    """

    def __init__(
        self,
        content: Source | World | Feed | None = None,
        *,
        user: str = "admin",
        password: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        https: bool = False,
        client_ca_file: str | Path | None = None,
        faults: Faults | str | None = None,
        speed: float | None = None,
        role: str = "ReadWriteAdmin",
        tenant: str = "",
        version: str = "8.3.1200.19",
        max_folders: int = 50,
        idle_timeout_s: float | None = None,
        bearer: str | None = None,
        directio: DirectIOSettings | None = None,
    ) -> None:
        self.source: Source | None = None
        if content is None:
            content = World(Feed())
        if isinstance(content, World):
            self.world = content
        elif isinstance(content, Feed):
            self.world = World(content)
        else:
            self.source = content
            self.world = _world_for(content, paced=speed is not None)
        self.user = user
        self.password = password or secrets.token_urlsafe(12)
        self.host = host
        self.port = port
        self.https = https
        self.faults = faults if isinstance(faults, Faults) else Faults.parse(faults or "")
        self.role = role
        self.tenant = tenant
        self.version = version
        self.max_folders = max_folders
        self.bearer = bearer
        self.directio = directio or DirectIOSettings()
        self.sessions = Sessions(idle_timeout_s=idle_timeout_s)
        self.requests: Counter[str] = Counter()
        """Requests so far, by endpoint: ``list``, ``longpoll``, ``ancestors``, ``login``, …"""
        self._speed = speed
        self._client_ca_file = client_ca_file
        self._history: History | None = None
        self._tls: ServerTLS | None = None
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: asyncio.Future[None] | None = None
        self._restarting = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<SimulatedPortal {self.url}>"

    @property
    def feed(self) -> Feed:
        """The feed that it lists."""
        return self.world.feed

    @property
    def url(self) -> str:
        """Where it listens, without a context."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.https else 'http'}://{host}:{self.port}"

    @property
    def ca_pem(self) -> bytes | None:
        """The certificate of its authority, when it listens with HTTPS."""
        return self._tls.ca_pem if self._tls else None

    @property
    def ca_file(self) -> Path | None:
        """A file with the same, while it listens."""
        return self._tls.ca_file if self._tls else None

    async def __aenter__(self) -> Self:
        self._broken = asyncio.get_running_loop().create_future()
        if self.https:
            from ctera_insights.simulator.tls import make_server_tls

            self._tls = await asyncio.to_thread(
                make_server_tls, self.host, client_ca_file=self._client_ca_file
            )
        try:
            if self.source is not None:
                await self._begin(self.source)
            await self._listen()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._end()
        if error is None and self._broken is not None and self._broken.done():
            self._broken.result()

    async def wait_broken(self) -> None:
        """Wait until the source fails, and raise why: a simulation must not end in silence."""
        assert self._broken is not None
        await asyncio.shield(self._broken)

    async def restart(self, *, down_s: float = 0.0) -> None:
        """Drop all connections and sessions, stay away for a time, and listen again at the same port."""
        async with self._restarting:
            await self._stop_listening()
            self.sessions.kill()
            await asyncio.sleep(down_s)
            await self._listen()

    def restart_soon(self) -> None:
        """Restart in the background, from within a request."""
        self._start(self.restart())

    @contextmanager
    def run_in_thread(self) -> Iterator[Self]:
        """Serve from a thread of its own, for programs and tests without an event loop."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="simulated-portal", daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.__aenter__(), loop).result()
            try:
                yield self
            finally:
                asyncio.run_coroutine_threadsafe(self.__aexit__(None, None, None), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def accepts(self, user: str, password: str) -> bool:
        """Whether these are the user's name and password."""
        same_user = hmac.compare_digest(user.encode(), self.user.encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and same_user

    async def _begin(self, source: Source) -> None:
        if self._history is not None:
            raise RuntimeError("A Portal with a source serves once: make another one, of a new source.")
        await asyncio.to_thread(source.populate, self.world)
        self.feed.begin_live()
        self._history = History(source.history(self.world))
        if self._speed is None:
            self.feed.continue_with(self._history)
        else:
            self._start(_replay(self._history, self._speed))
        self._start(source.follow(self.world))

    async def _listen(self) -> None:
        app = web.Application(
            middlewares=[gate.counter(self), misbehave.middleware(self), gate.keeper(self)],
            client_max_size=16 * 1024**2,
        )
        v1.add_routes(app, self)
        v2.add_routes(app, self)
        add_directio_routes(app, self, self.directio)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_GRACE_S)
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, self.host, self.port, ssl_context=self._tls.context if self._tls else None)
        await site.start()
        self.port = runner.addresses[0][1]

    async def _stop_listening(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stop_listening()
        if self._history is not None:
            await asyncio.to_thread(self._history.close)
        self.sessions.kill()
        if self._tls is not None:
            await asyncio.to_thread(self._tls.close)
            self._tls = None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            assert self._broken is not None
            if not self._broken.done():
                self._broken.set_exception(error)


def _world_for(source: Source, *, paced: bool) -> World:
    """Make the world of a source; what happens at its own pace has no cursors that outlive the process."""
    feed = Feed(identity=None if paced else source.identity, inventory="now" if paced else source.inventory)
    uuid = str(uuid5(NAMESPACE_URL, source.identity)) if source.identity is not None else None
    return World(feed, portal_uuid=uuid)


async def _replay(history: History, speed: float) -> None:
    """Let a history happen at its own pace, so many times faster than it was."""
    loop = asyncio.get_running_loop()
    begun: tuple[float, datetime] | None = None
    while not history.ended:
        moment = await asyncio.to_thread(history.step)
        if moment is not None:
            begun = begun or (loop.time(), moment)
            due = begun[0] + (moment - begun[1]).total_seconds() / speed
            await asyncio.sleep(max(0.0, due - loop.time()))
