"""The simulated Portal as clients see it: sessions, XML, JSON, TLS, and its own beginning and end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import ssl
import sys
import urllib.request
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from ctera_insights.simulator import Feed, SimulatedPortal, World
from ctera_insights.simulator.standalone import serve
from ctera_insights.simulator.xml import read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


@asynccontextmanager
async def browser(portal: SimulatedPortal, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(portal.url, cookie_jar=jar, timeout=timeout, **options) as session:
        yield session


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


async def login(portal: SimulatedPortal, session: aiohttp.ClientSession, context: str = "admin") -> None:
    form = {"j_username": portal.user, "j_password": portal.password}
    async with session.post(f"/{context}/api/login", data=form) as answer:
        assert answer.status == 200


async def xml(session: aiohttp.ClientSession, method: str, path: str, body: str | None = None) -> Any:
    async with session.request(method, path, data=body, allow_redirects=False) as answer:
        assert (answer.status, answer.content_type) == (200, "text/xml")
        return read(await answer.read())


async def listed(session: aiohttp.ClientSession, context: str = "admin", **body: Any) -> Any:
    whole = {"folder_ids": [], "cursor": None, "max_results": 2000} | body
    url = f"/{context}/v2/api/metadata/list"
    async with session.post(url, json=whole, allow_redirects=False) as answer:
        return answer.status, await answer.json(content_type=None) if answer.status != 302 else None


def query(owner: int, name: str, *, start: int = 0, limit: int = 50, restriction: str = "eq") -> str:
    """What the reference client sends to look a cloud folder up."""
    return (
        '<obj><att id="type"><val>db</val></att><att id="name"><val>query</val></att><att id="param"><obj>'
        f'<att id="startFrom"><val>{start}</val></att><att id="countLimit"><val>{limit}</val></att>'
        '<att id="include"><list><val>uid</val><val>name</val></list></att>'
        f'<att id="ownedBy"><val>{owner}</val></att><att id="filters"><list><obj class="StringFilter">'
        f'<att id="field"><val>name</val></att><att id="restriction"><val>{restriction}</val></att>'
        f'<att id="value"><val>{name}</val></att></obj></list></att></obj></att></obj>'
    )


@pytest.mark.parametrize("context", ["admin", "ServicesPortal"])
async def test_a_login_gives_a_cookie_for_its_context(context: str) -> None:
    """32 upper-case hexadecimal digits, for the whole context; a wrong password gives 403."""
    async with SimulatedPortal() as portal, browser(portal) as session:
        form = {"j_username": portal.user, "j_password": "wrong"}
        async with session.post(f"/{context}/api/login", data=form) as answer:
            assert answer.status == 403
            assert read(await answer.read()) == {"msg": "Invalid username or password"}
        form["j_password"] = portal.password
        async with session.post(f"/{context}/api/login", data=form) as answer:
            assert (answer.status, await answer.text()) == (200, "<val>Login succeed</val>")
            cookie = answer.headers["Set-Cookie"]
            assert re.fullmatch(rf"JSESSIONID=[0-9A-F]{{32}}; HttpOnly; Path=/{context}", cookie)
        current = await xml(session, "GET", f"/{context}/api/currentSession")
        assert current | {"userRef": None} == {
            "username": "admin",
            "domain": None,
            "role": "ReadWriteAdmin",
            "userRef": None,
            "idleTimeout": "15",
        }


async def test_contexts_have_sessions_of_their_own() -> None:
    """A login to one is none to the other."""
    async with SimulatedPortal() as portal, browser(portal) as session:
        await login(portal, session)
        assert (await listed(session))[0] == 200
        assert (await listed(session, "ServicesPortal"))[0] == 302


@pytest.mark.parametrize("context", ["admin", "ServicesPortal"])
async def test_without_a_session_everything_leads_to_the_login_page(context: str) -> None:
    """Of the own context, which exists."""
    async with SimulatedPortal() as portal, browser(portal) as session:
        for method, path in (
            ("POST", "v2/api/metadata/list"),
            ("POST", "v2/api/metadata/longpoll"),
            ("POST", "v2/api/metadata/ancestors"),
            ("GET", "api/currentSession"),
            ("POST", "api/users/svc"),
        ):
            async with session.request(method, f"/{context}/{path}", allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (302, f"/{context}/login.html")
        async with session.post(f"/{context}/v2/api/metadata/list") as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
        async with session.get(f"/{context}/no/such/page") as answer:
            assert answer.status == 404


async def test_a_session_ends_with_logout_with_time_or_by_force() -> None:
    """And is used up by nothing else."""
    async with SimulatedPortal(idle_timeout_s=0.3) as portal, browser(portal) as session:
        for end in ("logout", "idle", "kill"):
            await login(portal, session)
            assert (await listed(session))[0] == 200
            if end == "logout":
                async with session.post("/admin/api/logout") as answer:
                    assert answer.status == 200
            elif end == "idle":
                for _ in range(4):
                    await asyncio.sleep(0.1)
                    assert (await listed(session))[0] == 200
                await asyncio.sleep(0.4)
            else:
                portal.sessions.kill()
            assert (await listed(session))[0] == 302


async def test_the_session_start_is_complete() -> None:
    """All that the reference client reads at login, in the types it needs."""
    async with SimulatedPortal(tenant="acme") as portal, browser(portal) as session:
        await login(portal, session)
        for name, role in (
            ("readWriteAdminSettings", "ReadWriteAdmin"),
            ("readOnlyAdminSettings", "ReadOnlyAdmin"),
            ("supportAdminSettings", "Support"),
        ):
            settings = await xml(session, "GET", f"/admin/api/rolesSettings/{name}")
            assert (settings.pop("name"), len(settings)) == (role, 17)
            assert set(settings.values()) == {"true" if role == "ReadWriteAdmin" else "false"}
        assert await xml(session, "GET", "/admin/api/currentPortal") == "acme"
        assert await xml(session, "GET", "/admin/api/version") == "8.3.1200.19"
        assert await xml(session, "PUT", "/admin/api/currentPortal", "<val>other</val>") == "ok"
        assert await xml(session, "GET", "/admin/api/currentPortal") == "other"
        await xml(session, "PUT", "/admin/api/currentPortal", "<val></val>")
        assert await xml(session, "GET", "/admin/api/currentPortal") == ""
        async with session.get("/admin/api/rolesSettings/other") as answer:
            assert answer.status == 404


async def test_other_ways_to_prove_oneself() -> None:
    """A single sign-on ticket, and a bearer token."""
    async with SimulatedPortal(bearer="token") as portal, browser(portal) as session:
        async with session.post("/ServicesPortal/sso", data={"ctera_ticket": "TICKET"}) as answer:
            assert answer.status == 200
        async with session.get("/ServicesPortal/api/currentSession") as answer:
            assert answer.headers["X-CTERA-TOKEN"] == "VElDS0VU"
            assert read(await answer.read())["role"] == "EndUser"  # type: ignore[index, call-overload]
        async with session.post("/ServicesPortal/sso") as answer:
            assert answer.status == 403
        for token, status in (("token", 200), ("other", 302)):
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post(
                "/admin/v2/api/metadata/list", json={}, headers=headers, allow_redirects=False
            ) as answer:
                assert answer.status == status


async def test_users_and_cloud_folders_are_found_as_a_portal_finds_them() -> None:
    """Local and domain users, names with spaces and markup, several pages, no match."""
    world = World(Feed())
    local = world.cloud_folder("R&D <x>", owner="jo hn")
    domain = world.cloud_folder("R&D <x>", owner="slee", domain="acme.com")
    for number in range(7):
        world.cloud_folder(f"Folder {number}", owner="jo hn")
    async with SimulatedPortal(world) as portal, browser(portal) as session:
        await login(portal, session)
        owner = local.cloud_folder.owner.uid
        assert await xml(session, "POST", "/admin/api/users/jo%20hn", "<obj/>") == {
            "uid": str(owner),
            "name": "jo hn",
        }
        found = await xml(session, "POST", "/admin/api/domains/acme.com/adUsers/slee", "<obj/>")
        assert found == {"uid": str(domain.cloud_folder.owner.uid), "name": "slee"}
        for path in ("users/slee", "domains/other.com/adUsers/slee", "users/nobody"):
            assert await xml(session, "POST", f"/admin/api/{path}", "<obj/>") == {"uid": None, "name": None}
        drives = "/admin/api/cloudDrives"
        assert await xml(session, "POST", drives, query(owner, "R&amp;D &lt;x&gt;")) == {
            "hasMore": "false",
            "objects": [{"uid": str(local.cloud_folder.uid), "name": "R&D <x>"}],
        }
        none = {"hasMore": "false", "objects": []}
        assert await xml(session, "POST", drives, query(owner, "Nope")) == none
        pages = [
            await xml(
                session, "POST", drives, query(owner, "Folder", start=start, limit=3, restriction="like")
            )
            for start in (0, 3, 6)
        ]
        assert [page["hasMore"] for page in pages] == ["true", "true", "false"]
        assert [each["name"][-1] for page in pages for each in page["objects"]] == list("0123456")
        async with session.post(drives, data="no xml") as answer:
            assert answer.status == 400
        uid = local.cloud_folder.uid
        folder = await xml(session, "GET", f"/admin/api/objs/{uid}")
        assert folder["webDavPartialUrl"] == "jo%20hn/R%26D%20%3Cx%3E"
        async with session.get("/admin/api/objs/999") as answer:
            assert answer.status == 404


async def test_more_cloud_folders_than_allowed_are_refused_in_the_portals_words() -> None:
    """The reference client reads the numbers from them."""
    async with SimulatedPortal() as portal, browser(portal) as session:
        await login(portal, session)
        assert (await listed(session, folder_ids=list(range(50))))[0] == 200
        status, body = await listed(session, folder_ids=list(range(51)))
        assert status == 400
        assert body["details"] == [{"field": "folder_ids", "error": "size must be between 0 and 50"}]


async def test_a_page_may_be_large() -> None:
    """As large as asked for; with cut bodies too."""
    world = World(Feed())
    root = world.cloud_folder("Projects")
    for number in range(12_000):
        world.create(root, f"a file with quite a long name, number {number}.txt")
    async with SimulatedPortal(world, faults="cut:limit=1") as portal, browser(portal) as session:
        await login(portal, session)
        with pytest.raises(aiohttp.ClientPayloadError):
            await listed(session, max_results=12_000)
        _, page = await listed(session, max_results=12_000)
        assert (len(page["entries"]), page["has_more"]) == (12_000, True)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("list", b"no json", "body"),
        ("list", b"[1]", "body"),
        ("list", b'{"folder_ids": ["16"]}', "folder_ids"),
        ("list", b'{"folder_ids": 16}', "folder_ids"),
        ("list", b'{"cursor": 5}', "cursor"),
        ("list", b'{"cursor": "garbage"}', "cursor"),
        ("list", b'{"max_results": -1}', "max_results"),
        ("list", b'{"max_results": "many"}', "max_results"),
        ("longpoll", b'{"cursor": "garbage", "timeout": 10}', "cursor"),
        ("longpoll", b'{"cursor": null, "timeout": "soon"}', "timeout"),
        ("ancestors", b'{"folder_id": 16}', "guid"),
        ("ancestors", b"null", "body"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(path: str, body: bytes, field: str) -> None:
    """With 400, and the field that is wrong."""
    async with SimulatedPortal() as portal, browser(portal) as session:
        await login(portal, session)
        async with session.post(f"/admin/v2/api/metadata/{path}", data=body) as answer:
            assert answer.status == 400
            assert (await answer.json())["details"][0]["field"] == field


async def test_ancestors_are_an_array_and_unknown_objects_an_error() -> None:
    """Root first, the object last."""
    world = World(Feed())
    root = world.cloud_folder("Projects")
    node = world.create(world.create(root, "docs", type="folder"), "a.txt")
    async with SimulatedPortal(world) as portal, browser(portal) as session:
        await login(portal, session)
        url = "/admin/v2/api/metadata/ancestors"
        asked = {"folder_id": root.cloud_folder.uid, "guid": world.guid(node.ordinal)}
        async with session.post(url, json=asked) as answer:
            assert [each["name"] for each in await answer.json()] == ["Projects", "docs", "a.txt"]
        async with session.post(url, json=asked | {"guid": "x:1"}) as answer:
            assert answer.status == 404
            assert (await answer.json())["msg"]


@pytest.mark.parametrize("hold", [400, "400"])
async def test_a_long_poll_holds_for_the_milliseconds_asked(hold: int | str) -> None:
    """As a number or as text; and answers at once when something changes."""
    world = World(Feed())
    root = world.cloud_folder("Projects")
    async with SimulatedPortal(world) as portal, browser(portal) as session:
        await login(portal, session)
        _, page = await listed(session)
        url = "/admin/v2/api/metadata/longpoll"
        begun = asyncio.get_running_loop().time()
        async with session.post(url, json={"cursor": page["cursor"], "timeout": hold}) as answer:
            assert await answer.json() == {"changes": False}
        assert asyncio.get_running_loop().time() - begun >= 0.4
        asked = {"cursor": page["cursor"], "timeout": 60_000, "folder_ids": []}
        waiting = asyncio.create_task(session.post(url, json=asked))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        world.create(root, "a.txt")
        async with await waiting as answer:
            assert await answer.json() == {"changes": True}


async def test_a_long_poll_that_the_client_drops_is_forgotten() -> None:
    """Nothing waits on behalf of someone who left."""
    async with SimulatedPortal() as portal, browser(portal) as session:
        await login(portal, session)
        _, page = await listed(session)
        asked = {"cursor": page["cursor"], "timeout": 60_000}
        waiting = asyncio.create_task(session.post("/admin/v2/api/metadata/longpoll", json=asked))
        await asyncio.sleep(0.1)
        assert len(portal.feed._waiters) == 1
        waiting.cancel()
        await until(lambda: not portal.feed._waiters)


async def test_the_end_does_not_wait_for_long_polls() -> None:
    """They are cut off."""
    async with asyncio.timeout(20):
        async with SimulatedPortal() as portal, browser(portal) as session:
            await login(portal, session)
            _, page = await listed(session)
            asked = {"cursor": page["cursor"], "timeout": 3_600_000}
            waiting = asyncio.create_task(session.post("/admin/v2/api/metadata/longpoll", json=asked))
            await asyncio.sleep(0.1)
        with pytest.raises(aiohttp.ClientError):
            await waiting


async def test_requests_are_counted_by_endpoint() -> None:
    """Whether they were admitted or not."""
    async with SimulatedPortal() as portal, browser(portal) as session:
        await listed(session)
        await login(portal, session)
        await listed(session)
        async with session.get("/directio/5"), session.get("/elsewhere"):
            pass
        assert portal.requests == {"list": 2, "login": 1, "directio": 1, "unknown": 1}


async def test_https_is_trusted_by_its_own_authority_alone() -> None:
    """Also by a verifier that is strict; the cookie is then secure."""
    async with SimulatedPortal(https=True) as portal:
        context = await asyncio.to_thread(ssl.create_default_context, cafile=portal.ca_file)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        async with browser(portal, connector=aiohttp.TCPConnector(ssl=context)) as session:
            form = {"j_username": portal.user, "j_password": portal.password}
            async with session.post("/admin/api/login", data=form) as answer:
                assert answer.headers["Set-Cookie"].endswith("; Path=/admin; Secure")
            assert (await listed(session))[0] == 200
        async with browser(portal) as stranger:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await login(portal, stranger)
        ca_file = portal.ca_file
        assert ca_file is not None
        assert await asyncio.to_thread(ca_file.read_bytes) == portal.ca_pem
    assert not await asyncio.to_thread(ca_file.exists)
    assert portal.ca_file is None


async def test_a_client_certificate_can_be_asked_for() -> None:
    """And who has none does not come in."""
    import trustme

    clients = trustme.CA()
    own = clients.issue_cert("client@example.com")
    with clients.cert_pem.tempfile() as ca_file:
        async with SimulatedPortal(https=True, client_ca_file=ca_file) as portal:
            context = await asyncio.to_thread(ssl.create_default_context, cafile=portal.ca_file)
            async with browser(portal, connector=aiohttp.TCPConnector(ssl=context)) as session:
                with pytest.raises(aiohttp.ClientError):
                    await login(portal, session)
            await asyncio.to_thread(own.configure_cert, context)
            async with browser(portal, connector=aiohttp.TCPConnector(ssl=context)) as session:
                await login(portal, session)


async def test_a_restart_keeps_the_port_and_forgets_the_sessions() -> None:
    """It stays away for as long as asked; the cursor still holds."""
    async with SimulatedPortal() as portal, browser(portal) as session:
        await login(portal, session)
        _, page = await listed(session)
        port = portal.port
        restarting = asyncio.create_task(portal.restart(down_s=0.5))
        await asyncio.sleep(0.25)
        with pytest.raises(aiohttp.ClientConnectorError):
            await listed(session)
        await restarting
        assert portal.port == port
        assert (await listed(session))[0] == 302
        await login(portal, session)
        assert (await listed(session, cursor=page["cursor"]))[0] == 200


def test_it_serves_from_a_thread_for_plain_programs() -> None:
    """Which change the world from their own."""
    world = World(Feed())
    root = world.cloud_folder("Projects")
    with SimulatedPortal(world, bearer="token").run_in_thread() as portal:
        world.create(root, "a.txt")
        request = urllib.request.Request(f"{portal.url}/admin/v2/api/metadata/list", data=b"{}")
        request.add_header("Authorization", "Bearer token")
        with urllib.request.urlopen(request) as answer:
            assert [each["name"] for each in json.load(answer)["entries"]] == ["Projects", "a.txt"]
    with SimulatedPortal(world, port=portal.port).run_in_thread() as again:
        assert again.port == portal.port


def test_a_port_in_use_is_an_error_in_the_caller() -> None:
    """Also when it serves from a thread."""
    with (
        SimulatedPortal().run_in_thread() as portal,
        pytest.raises(OSError, match="address already in use"),
        SimulatedPortal(port=portal.port).run_in_thread(),
    ):
        pass


class Files:
    """A source of three files, one after another, then some live ones."""

    name = "files"
    identity: str | None = "files:1"
    inventory: Any = "start"

    def __init__(self, *, apart: timedelta = timedelta(hours=1), failure: Exception | None = None) -> None:
        self.apart = apart
        self.failure = failure

    def populate(self, world: World) -> None:
        world.cloud_folder("Projects")

    def history(self, world: World) -> Iterator[datetime | None]:
        root = world.roots[16]
        for number in range(3):
            moment = datetime(2026, 1, 1, tzinfo=UTC) + number * self.apart
            yield moment
            world.create(root, f"{number}.txt", at=moment)

    async def follow(self, world: World) -> None:
        await asyncio.sleep(0.05)
        if self.failure:
            raise self.failure
        world.create(world.roots[16], "live.txt")

    def content(self, file_id: int) -> bytes | None:
        return b"content" if file_id == 14392 else None


async def drained(portal: SimulatedPortal, session: aiohttp.ClientSession) -> list[tuple[str, bool]]:
    cursor, seen = None, []
    while True:
        _, page = await listed(session, cursor=cursor)
        seen += [(each["name"], page["has_more"]) for each in page["entries"]]
        cursor = page["cursor"]
        if not await asyncio.to_thread(portal.feed.has_changes, cursor, []):
            return seen


async def test_a_source_fills_the_world_then_its_history_then_live_changes() -> None:
    """The inventory ends a page; its guids and cursors are the same in the next process."""
    async with SimulatedPortal(Files()) as portal, browser(portal) as session:
        await login(portal, session)
        await asyncio.sleep(0.3)
        seen = await drained(portal, session)
        assert [name for name, _ in seen] == ["Projects", "live.txt", "0.txt", "1.txt", "2.txt"]
        assert portal.source is not None
        assert portal.source.content(14392) == b"content"
        _, page = await listed(session)
    async with SimulatedPortal(Files()) as other, browser(other) as session:
        await login(other, session)
        status, _ = await listed(session, cursor=page["cursor"])
        assert (status, other.world.portal_uuid) == (200, portal.world.portal_uuid)


async def test_the_end_closes_a_history_where_it_is() -> None:
    """With whatever it holds open; and the Portal does not pretend to serve it again."""
    closed = []

    class Endless(Files):
        def history(self, world: World) -> Iterator[datetime | None]:
            try:
                number = 0
                while True:
                    yield None
                    world.create(world.roots[16], f"{number}.txt")
                    number += 1
            finally:
                closed.append(number)

    portal = SimulatedPortal(Endless())
    async with portal, browser(portal) as session:
        await login(portal, session)
        _, page = await listed(session)
        _, page = await listed(session, cursor=page["cursor"], max_results=10)
        assert (len(page["entries"]), page["has_more"], closed) == (10, True, [])
    assert closed
    with pytest.raises(RuntimeError, match="serves once"):
        await portal.__aenter__()


async def test_a_paced_history_happens_at_its_own_times() -> None:
    """So many times faster than it was."""
    source = Files(apart=timedelta(seconds=100))
    async with SimulatedPortal(source, speed=500) as portal, browser(portal) as session:
        begun = asyncio.get_running_loop().time()
        await login(portal, session)
        _, page = await listed(session)
        while page["entries"][-1]["name"] != "2.txt":
            await asyncio.sleep(0.02)
            _, page = await listed(session)
        assert asyncio.get_running_loop().time() - begun > 0.39
        assert {each["name"] for each in page["entries"]} == {
            "Projects",
            "live.txt",
            "0.txt",
            "1.txt",
            "2.txt",
        }


async def test_a_source_that_fails_does_not_fail_in_silence() -> None:
    """Who waits for it, or leaves the Portal, is told why."""
    portal = SimulatedPortal(Files(failure=OSError("the disk is gone")))
    await portal.__aenter__()
    with pytest.raises(OSError, match="the disk is gone"):
        await portal.wait_broken()
    with pytest.raises(OSError, match="the disk is gone"):
        await portal.__aexit__(None, None, None)


async def test_serving_alone_writes_its_ready_file_and_takes_it_away(tmp_path: Path) -> None:
    """In one step, once it listens; with the authority's file when it is HTTPS."""
    ready, stop = tmp_path / "ready.json", asyncio.Event()
    portals: list[SimulatedPortal] = []
    serving = asyncio.create_task(
        serve(Files(), https=True, ready_file=ready, stop=stop, on_ready=portals.append)
    )
    await until(lambda: bool(portals))
    told = json.loads(await asyncio.to_thread(ready.read_text))
    assert told == {
        "url": portals[0].url,
        "pid": os.getpid(),
        "user": "admin",
        "ca_file": str(portals[0].ca_file),
    }
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == [ready]
    stop.set()
    await serving
    assert not await asyncio.to_thread(ready.exists)


async def test_serving_alone_ends_with_a_failing_source() -> None:
    """With its error."""
    with pytest.raises(OSError, match="the disk is gone"):
        await serve(Files(failure=OSError("the disk is gone")))


PROGRAM = """
import asyncio, sys
from pathlib import Path
from ctera_insights.simulator import Feed, World
from ctera_insights.simulator.standalone import serve
asyncio.run(serve(World(Feed()), ready_file=Path(sys.argv[1])))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_of_its_own_ends_cleanly_on_a_signal(tmp_path: Path, number: int) -> None:
    """With status 0, nothing printed, and its ready file gone."""
    ready = tmp_path / "ready.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        str(ready),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    await until(ready.exists)
    told = json.loads(await asyncio.to_thread(ready.read_text))
    assert told["pid"] == process.pid
    async with aiohttp.ClientSession() as session, session.get(told["url"] + "/admin/login.html") as answer:
        assert answer.status == 200
    process.send_signal(number)
    printed, _ = await process.communicate()
    assert (process.returncode, printed) == (0, b"")
    assert not await asyncio.to_thread(ready.exists)
