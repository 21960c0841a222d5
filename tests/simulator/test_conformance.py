"""The simulated Portal before its judge: the reference client, its current release and one of 2025."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from filelock import FileLock

from ctera_insights.model import WIRE_FIELDS
from ctera_insights.simulator import Faults, Feed, Node, SimulatedPortal, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PROGRAM = Path(__file__).with_name("reference_client.py")
CACHE = Path(__file__).parents[2] / ".cache"
CURRENT, OLD = "current", "2.20.20"


@pytest.fixture(scope="session", params=[CURRENT, OLD])
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def interpreter(release: str) -> str:
    """The Python of an environment with the release."""
    if release == CURRENT:
        pytest.importorskip("cterasdk")
        return sys.executable
    environment = CACHE / f"cterasdk-{release}"
    python, complete = environment / "bin" / "python", environment / "complete"
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / f"cterasdk-{release}.lock"):
        if not complete.exists():
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, environment], check=True)
            subprocess.run([*uv, "pip", "install", "--python", python, f"cterasdk=={release}"], check=True)
            complete.touch()
    return str(python)


class ReferenceClient:
    """The reference client in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give the whole answer to a command."""
        await self.begin(do, **arguments)
        return await self.answer()

    async def do(self, do: str, **arguments: Any) -> Any:
        """Give the result of a command that must succeed."""
        answer = await self.ask(do, **arguments)
        assert "error" not in answer, answer
        return answer["result"]

    async def begin(self, do: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do} | arguments).encode() + b"\n")
        await self._process.stdin.drain()

    async def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        return json.loads(line)


@asynccontextmanager
async def reference(
    interpreter: str, portal: SimulatedPortal, context: str = "admin"
) -> AsyncIterator[ReferenceClient]:
    process = await asyncio.create_subprocess_exec(
        interpreter,
        str(PROGRAM),
        portal.host,
        str(portal.port),
        context,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=64 * 1024**2,
    )
    try:
        yield ReferenceClient(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


def office() -> tuple[World, dict[str, Node]]:
    """Two cloud folders: one of a local user, one of a domain user."""
    world = World(Feed())
    research = world.cloud_folder("Research Project", owner="svc")
    archive = world.cloud_folder("Archive", owner="slee", domain="acme.com", tenant="9")
    docs = world.create(research, "docs", type="folder", acl="O:BAG:BAD:(A;;FA;;;WD)")
    world.create(docs, "π 🎉 & <x> \n.txt", size=2**40)
    nodes = {
        "research": research,
        "archive": archive,
        "docs": docs,
        "a": world.create(docs, "a.txt", size=5),
        "old": world.create(archive, "old.zip", size=7),
    }
    return world, nodes


def as_events(world: World, start: int = 0) -> list[dict[str, Any]]:
    """What a client must yield for the states published."""
    states = [msgspec.json.decode(raw) for raw in world.feed.log(start)]
    return [{key: state.get(key) for key in WIRE_FIELDS} for state in states]


@pytest.mark.parametrize("context", ["admin", "ServicesPortal"])
async def test_it_logs_in_and_out(interpreter: str, release: str, context: str) -> None:
    """With every role; a wrong password is recognised as one."""
    async with SimulatedPortal(https=True) as portal, reference(interpreter, portal, context) as client:
        refused = await client.ask("login", user=portal.user, password="wrong")
        assert refused["error"] == "AuthenticationError"
        for role in ("ReadWriteAdmin", "ReadOnlyAdmin", "Support", "EndUser"):
            portal.role = role
            portal.requests.clear()
            who = await client.do("login", user=portal.user, password=portal.password)
            assert who == {"user": "admin", "version": "8.3.1200.19"}
            await client.do("logout")
            settings = ["roles"] if release == CURRENT and role != "EndUser" else []
            assert portal.requests == Counter(["login", "session", "tenant", "version", *settings, "logout"])
            assert len(portal.sessions) == 0


@pytest.mark.parametrize("context", ["admin", "ServicesPortal"])
async def test_its_service_yields_the_inventory_then_changes(interpreter: str, context: str) -> None:
    """Field by field; a long-poll is dropped by its stop; the saved cursor goes on where it was."""
    world, nodes = office()
    async with (
        SimulatedPortal(world, https=True) as portal,
        reference(interpreter, portal, context) as client,
    ):
        await client.do("login", user=portal.user, password=portal.password)
        await client.do("run")
        inventory = await client.do("take", count=len(world.feed))
        assert inventory["events"] == as_events(world)
        before = len(world.feed)
        await client.begin("take", count=1)
        await asyncio.sleep(0.3)
        world.delete(nodes["a"])
        deleted = (await client.answer())["result"]
        assert deleted["events"] == as_events(world, before)
        assert deleted["events"][0]["deleted"] is True
        await until(lambda: len(portal.feed._waiters) == 1)
        await client.do("stop")
        await until(lambda: not portal.feed._waiters)
        before = len(world.feed)
        world.rename(nodes["docs"], "papers")
        world.move(nodes["old"], world.create(nodes["archive"], "2025", type="folder"))
        await client.do("run", cursor=deleted["cursor"])
        assert (await client.do("take", count=3))["events"] == as_events(world, before)
        await client.do("stop")
        await client.do("logout")


async def test_its_events_and_ours_are_equal_field_by_field(interpreter: str) -> None:
    """Also with old names, nulls, absent keys and bare tombstones; of the inventory and of what follows."""
    from ctera_insights.portal import AsyncGlobalAdmin

    world, nodes = office()
    faults = Faults.parse("old-name:0.3,null:0.3,missing-key:0.3,bare-tombstone", seed=5)
    async with (
        SimulatedPortal(world, https=True, faults=faults) as portal,
        reference(interpreter, portal) as client,
        AsyncGlobalAdmin(portal.url, ca_file=portal.ca_file) as admin,
    ):
        await client.do("login", user=portal.user, password=portal.password)
        await client.do("run")
        theirs = await client.do("take", count=len(world.feed))
        before = len(world.feed)
        for number in range(200):
            world.create(nodes["docs"], f"{number}.txt", size=number)
        world.delete(nodes["docs"])
        count = len(world.feed) - before
        changes = await client.do("take", count=count)
        await client.do("stop")
        await admin.login(portal.user, portal.password)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        cursors: asyncio.Queue[str] = asyncio.Queue()
        admin.notifications.service.run(queue, cursors.put, cursor=theirs["cursor"])
        ours = []
        for _ in range(count):
            ours.append(asdict(await queue.get()))
            queue.task_done()
        await cursors.get()
        await admin.notifications.service.stop()
        assert [each.pop("extra") for each in ours] == [{}] * len(ours)
        assert ours == changes["events"]
        page = await admin.notifications.get()
        again = (await client.do("get"))["entries"]
        assert [each.guid for each in page] == [each["guid"] for each in again]


async def test_it_lists_pages_and_polls(interpreter: str) -> None:
    """Page size, more, the long-poll's answers."""
    world, _ = office()
    async with SimulatedPortal(world, https=True) as portal, reference(interpreter, portal) as client:
        await client.do("login", user=portal.user, password=portal.password)
        first = await client.do("get", max_results=4)
        assert (len(first["entries"]), first["more"]) == (4, True)
        rest = await client.do("get", cursor=first["cursor"])
        assert (len(rest["entries"]), rest["more"]) == (2, False)
        assert await client.do("changes", cursor=first["cursor"], timeout=60_000) is True
        assert await client.do("changes", cursor=rest["cursor"], timeout=200) is False
        refused = await client.ask("get", cursor="garbage")
        assert refused["error"] in {"NotificationsError", "BadRequest"}


async def test_it_asks_for_ancestors(interpreter: str) -> None:
    """Root first, the object last, also of a deleted one; an unknown one is its own error."""
    world, nodes = office()
    async with SimulatedPortal(world, https=True) as portal, reference(interpreter, portal) as client:
        await client.do("login", user=portal.user, password=portal.password)
        asked = {"folder_id": nodes["a"].cloud_folder.uid, "guid": world.guid(nodes["a"].ordinal)}
        for _ in range(2):
            chain = await client.do("ancestors", **asked)
            assert [each["name"] for each in chain] == ["Research Project", "docs", "a.txt"]
            if not nodes["a"].deleted:
                world.delete(nodes["a"])
        unknown = await client.ask("ancestors", folder_id=16, guid="x:1")
        assert unknown["error"] == "AncestorsError"


async def test_it_finds_cloud_folders(interpreter: str) -> None:
    """By uid, by name with a local or a domain owner, several at once; and no owner is its own error."""
    world, nodes = office()
    async with SimulatedPortal(world, https=True) as portal, reference(interpreter, portal) as client:
        await client.do("login", user=portal.user, password=portal.password)
        local, domain = ["Research Project", "svc"], ["Archive", "slee", "acme.com"]
        for asked, uids in (
            ([nodes["research"].cloud_folder.uid], {16}),
            ([local], {16}),
            ([domain], {17}),
            ([local, domain], {16, 17}),
        ):
            page = await client.do("get", cloudfolders=asked)
            assert {each["folder_id"] for each in page["entries"]} == uids
            assert await client.do("get", cloudfolders=asked, cursor=page["cursor"])
        nobody = await client.ask("get", cloudfolders=[["Research Project", "nobody"]])
        assert nobody["error"] == "ObjectNotFoundException"
        await client.do("run", cloudfolders=[domain])
        assert {each["folder_id"] for each in (await client.do("take", count=2))["events"]} == {17}
        await client.do("stop")


async def test_it_is_told_of_too_many_cloud_folders(interpreter: str, release: str) -> None:
    """In the words that its current release reads the limits from."""
    async with SimulatedPortal(https=True) as portal, reference(interpreter, portal) as client:
        await client.do("login", user=portal.user, password=portal.password)
        await client.do("get", cloudfolders=list(range(50)))
        refused = await client.ask("get", cloudfolders=list(range(51)))
        if release == CURRENT:
            assert refused["error"] == "TooManyVolumesRequestedError"
            assert (refused["attributes"]["min_size"], refused["attributes"]["max_size"]) == ("0", "50")
        else:
            assert refused["error"] == "BadRequest"


async def test_it_browses_tenants(interpreter: str) -> None:
    """As a global administrator does."""
    async with SimulatedPortal(https=True) as portal, reference(interpreter, portal) as client:
        await client.do("login", user=portal.user, password=portal.password)
        await client.do("browse", tenant="acme")
        assert [session.tenant for session in portal.sessions] == ["acme"]


async def test_it_signs_on_with_a_ticket(interpreter: str) -> None:
    """And lists afterwards."""
    world, _ = office()
    context = "ServicesPortal"
    async with (
        SimulatedPortal(world, https=True) as portal,
        reference(interpreter, portal, context) as client,
    ):
        await client.do("sso", ticket="TICKET")
        assert len((await client.do("get"))["entries"]) == 6


@pytest.mark.parametrize(
    ("context", "error"), [("ServicesPortal", "SessionExpired"), ("admin", "NotificationsError")]
)
async def test_it_meets_an_expired_session_as_at_a_real_portal(
    interpreter: str, context: str, error: str
) -> None:
    """It knows the login page of one context alone; the same object can log in again."""
    world, _ = office()
    async with (
        SimulatedPortal(world, https=True) as portal,
        reference(interpreter, portal, context) as client,
    ):
        await client.do("login", user=portal.user, password=portal.password)
        portal.sessions.kill()
        assert (await client.ask("get"))["error"] == error
        await client.do("login", user=portal.user, password=portal.password)
        assert len((await client.do("get"))["entries"]) == 6
        portal.sessions.kill()
        await client.do("logout")


FAULTS = {
    "status:500": "InternalServerError",
    "status:503": "ServiceUnavailable",
    "status:429": "TypeError",
    "reset": "ClientOSError",
    "cut": "ClientPayloadError",
    "close": "ConnectionError",
    "html": "NotificationsError",
    "redirect:302:to=services": "SessionExpired",
    "redirect:302:to=services-absolute": "NotificationsError",
    "redirect:307:to=admin": "NotificationsError",
}


async def test_faults_hurt_it_as_the_protocol_notes_say(interpreter: str) -> None:
    """Which were taken at another stub: the faults are the real ones."""
    async with SimulatedPortal(https=True) as portal, reference(interpreter, portal) as client:
        await client.do("login", user=portal.user, password=portal.password)
        met = {}
        for text in FAULTS:
            portal.faults = Faults.parse(text)
            met[text] = (await client.ask("get"))["error"]
        assert met == FAULTS
