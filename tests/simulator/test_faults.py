"""Faults: how they are written, when they happen, and what a client meets."""

from __future__ import annotations

import asyncio
import errno
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest

from ctera_insights.simulator import Fault, Faults, Feed, SimulatedPortal, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def world(files: int = 20) -> World:
    made = World(Feed(inventory="start"), portal_uuid="u")
    root = made.cloud_folder("Projects")
    folder = made.create(root, "plans", type="folder")
    for number in range(files):
        node = made.create(folder, f"plan {number}.txt", size=number)
        if number % 5 == 4:
            made.delete(node)
    return made


@asynccontextmanager
async def client(portal: SimulatedPortal) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(
        portal.url, cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=timeout
    ) as session:
        await login(portal, session)
        yield session


async def login(portal: SimulatedPortal, session: aiohttp.ClientSession) -> None:
    for context in ("admin", "ServicesPortal"):
        form = {"j_username": portal.user, "j_password": portal.password}
        async with session.post(f"/{context}/api/login", data=form) as answer:
            assert answer.status == 200


def post(session: aiohttp.ClientSession, what: str = "list", context: str = "admin", **body: Any) -> Any:
    whole = {"folder_ids": [], "cursor": None, "max_results": 2000, "timeout": 60_000} | body
    return session.post(f"/{context}/v2/api/metadata/{what}", json=whole, allow_redirects=False)


async def listed(session: aiohttp.ClientSession, **body: Any) -> list[Any]:
    async with post(session, **body) as answer:
        assert answer.status == 200
        return (await answer.json())["entries"]


def test_text_says_the_same_as_arguments() -> None:
    """Kind, status, rate, and options by name."""
    text = (
        "status:503:0.05, reset:0.02,status:429:retry-after=7:limit=3,redirect:301:to=admin,"
        "kill-session:every=20,stall:0.01:seconds=2.5,slow:on=login+list,status:0.5,status:code=500,html:on=all"
    )
    assert list(Faults.parse(text).initial) == [
        Fault("status", 0.05, code=503),
        Fault("reset", 0.02),
        Fault("status", code=429, retry_after="7", limit=3),
        Fault("redirect", code=301, to="admin"),
        Fault("kill-session", every=20),
        Fault("stall", 0.01, seconds=2.5),
        Fault("slow", on=("login", "list")),
        Fault("status", 0.5, code=503),
        Fault("status", code=500),
        Fault("html", on=("all",)),
    ]
    assert Faults.parse("").active == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("explode", "Unknown fault 'explode'.*black-hole"),
        ("explode:soon", "Unknown fault 'explode'.*black-hole"),
        ("reset:1.5", "from 0 to 1"),
        ("reset:often", "'often' is no number for 'rate'"),
        ("reset:colour=red", "unknown option 'colour'"),
        ("kill-session:every=0", "at least 1"),
        ("redirect:to=moon", "'to' of 'redirect' is one of"),
    ],
)
def test_text_that_means_nothing_is_refused(text: str, reason: str) -> None:
    """With what is wrong, and what there is."""
    with pytest.raises(ValueError, match=reason):
        Faults.parse(text)


def test_lots_are_drawn_from_the_seed() -> None:
    """The same seed gives the same faults, another one others, at about the rate."""

    def hits(seed: int) -> list[int]:
        faults = Faults.parse("status:503:0.2,reset:0.1", seed=seed)
        return [index for index in range(1000) if faults.draw("list")]

    assert hits(1) == hits(1) != hits(2)
    assert 200 < len(hits(1)) < 360


def test_a_fault_happens_where_when_and_as_often_as_it_says() -> None:
    """Endpoint, every n-th, limit; those of the answer exclude each other, those beside it add up."""
    faults = Faults()
    faults.add("status", on=("list",), limit=2)
    faults.add("reset", every=3)
    faults.add("slow")
    drawn = [
        [fault.kind for fault in faults.draw(each)] for each in ("list", "ancestors", "list", "list", "list")
    ]
    assert drawn == [["slow", "status"], ["slow"], ["slow", "status"], ["slow"], ["slow", "reset"]]
    assert faults.draw("login") == []
    assert faults.fired == {"status": 2, "reset": 1, "slow": 5}
    faults.clear()
    assert faults.draw("list") == []


@pytest.mark.parametrize(
    ("text", "status", "retry_after"),
    [
        ("status", 503, "1"),
        ("status:429", 429, "1"),
        ("status:429:retry-after=30", 429, "30"),
        ("status:503:retry-after=none", 503, None),
        ("status:500", 500, None),
        ("status:503:retry-after=date+5", 503, "GMT"),
    ],
)
async def test_a_status_comes_with_a_message_and_its_time_to_wait(
    text: str, status: int, retry_after: str | None
) -> None:
    """In seconds or as a date."""
    async with (
        SimulatedPortal(world(), faults=text) as portal,
        client(portal) as session,
        post(session) as answer,
    ):
        assert answer.status == status
        assert str(status) in (await answer.json())["msg"]
        header = answer.headers.get("Retry-After")
        assert header == retry_after or (retry_after == "GMT" and str(header).endswith("GMT"))


@pytest.mark.parametrize("https", [False, True])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", aiohttp.ClientOSError),
        ("close", aiohttp.ServerDisconnectedError),
        ("cut", aiohttp.ClientPayloadError),
    ],
)
async def test_a_connection_ends_badly_as_often_as_asked_and_then_serves_again(
    kind: str, error: type[Exception], https: bool
) -> None:
    """Reset, closed without an answer, closed in the middle of the body."""
    async with SimulatedPortal(world(), https=https) as portal:
        connector = aiohttp.TCPConnector(ssl=False)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(portal.url, cookie_jar=jar, connector=connector) as session:
            await login(portal, session)
            portal.faults.add(kind, limit=2)
            for _ in range(2):
                with pytest.raises(error) as caught:
                    async with post(session) as answer:
                        await answer.read()
                assert kind != "reset" or getattr(caught.value, "errno", None) == errno.ECONNRESET
            assert len(await listed(session)) == len(portal.feed)


async def test_half_a_body_comes_and_then_nothing() -> None:
    """For as long as asked; then the rest."""
    async with (
        SimulatedPortal(world(), faults="stall:seconds=0.3:limit=1") as portal,
        client(portal) as session,
        post(session) as answer,
    ):
        first = await answer.content.readexactly((answer.content_length or 0) // 2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.content.read(1), 0.1)
        assert msgspec.json.decode(first + await answer.content.read())["entries"]


async def test_a_black_hole_never_answers() -> None:
    """And does not keep the Portal from ending."""
    async with SimulatedPortal(world(), faults="black-hole") as portal, client(portal) as session:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(post(session), 0.2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("text", "context", "status", "location"),
    [
        ("redirect", "admin", 302, "/admin/login.html"),
        ("redirect", "ServicesPortal", 302, "/ServicesPortal/login.html"),
        ("redirect:301:to=services", "admin", 301, "/ServicesPortal/login.html"),
        ("redirect:303:to=admin-absolute", "admin", 303, "{url}/admin/login.html"),
        ("redirect:307:to=services-absolute", "admin", 307, "{url}/ServicesPortal/login.html"),
        ("redirect:to=microsoft", "admin", 302, "https://login.microsoftonline.com/common/saml2"),
        ("redirect:to=nowhere", "admin", 302, None),
    ],
)
async def test_a_redirect_goes_to_the_login_page_asked_for(
    text: str, context: str, status: int, location: str | None
) -> None:
    """Every status, own or other context, relative or absolute."""
    async with SimulatedPortal(world(), faults=text) as portal, client(portal) as session:
        async with post(session, context=context) as answer:
            assert answer.status == status
            expected = None if location is None else location.format(url=portal.url)
            assert answer.headers.get("Location") == expected
        if expected is not None and "microsoft" not in expected:
            async with session.post(expected) as page:
                assert (page.status, page.content_type) == (200, "text/html")


async def test_a_redirect_to_each_visits_all_login_pages() -> None:
    """One after the other."""
    async with SimulatedPortal(world(), faults="redirect:to=each") as portal, client(portal) as session:
        seen = set()
        for _ in range(4):
            async with post(session) as answer:
                seen.add(answer.headers["Location"])
        assert len(seen) == 4


async def test_html_and_nothing_come_in_the_place_of_json() -> None:
    """With status 200."""
    faults = "html:limit=1,empty:limit=1"
    async with SimulatedPortal(world(), faults=faults) as portal, client(portal) as session:
        async with post(session) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert (await answer.text()).startswith("<!DOCTYPE")
        async with post(session) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
        assert await listed(session)


@pytest.mark.parametrize("value", ["true", "false"])
async def test_an_early_long_poll_answers_though_nothing_changed(value: str) -> None:
    """Either way."""
    async with SimulatedPortal(faults=f"early:to={value}") as portal, client(portal) as session:
        async with post(session) as answer:
            cursor = (await answer.json())["cursor"]
        async with post(session, "longpoll", cursor=cursor) as answer:
            assert await answer.json() == {"changes": value == "true"}


async def test_a_cursor_is_refused_but_the_beginning_is_not() -> None:
    """A limit counts only requests with a cursor."""
    async with SimulatedPortal(world(), faults="cursor:limit=1") as portal, client(portal) as session:
        async with post(session) as answer:
            cursor = (await answer.json())["cursor"]
        async with post(session, cursor=cursor) as answer:
            assert answer.status == 400
            assert (await answer.json())["details"][0]["field"] == "cursor"
        async with post(session, cursor=cursor) as answer:
            assert answer.status == 200


async def test_sessions_die_every_so_many_requests() -> None:
    """The request that meets it is sent to the login page; after a new login all is well."""
    async with SimulatedPortal(world(), faults="kill-session:every=3") as portal, client(portal) as session:
        statuses = []
        for _ in range(7):
            async with post(session) as answer:
                statuses.append(answer.status)
            if statuses[-1] == 302:
                await login(portal, session)
        assert statuses == [200, 200, 302, 200, 200, 302, 200]


async def test_a_restart_loses_the_connection_and_the_sessions_but_no_state() -> None:
    """The same port listens again, and the cursor still holds."""
    async with SimulatedPortal(world()) as portal, client(portal) as session:
        port = portal.port
        async with post(session, max_results=5) as answer:
            cursor = (await answer.json())["cursor"]
        portal.faults.add("restart", limit=1)
        status = 200
        while status == 200:
            with suppress(aiohttp.ClientError):
                async with post(session, cursor=cursor) as answer:
                    status = answer.status
        assert (status, portal.port, portal.faults.fired["restart"]) == (302, port, 1)
        await login(portal, session)
        assert len(await listed(session, cursor=cursor)) == len(portal.feed) - 5


async def test_the_first_page_takes_its_time() -> None:
    """The next ones do not."""
    async with SimulatedPortal(world(), faults="slow-first:seconds=0.3") as portal, client(portal) as session:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(post(session, max_results=5), 0.1)
        async with post(session, max_results=5) as answer:
            cursor = (await answer.json())["cursor"]
        portal.faults.add("slow-first", seconds=60)
        assert await listed(session, cursor=cursor)


OPTIONAL = {"folder_id", "parent_guid", "id", "size", "file_timestamp", "portal_modified_date"}
OPTIONAL |= {"virtual_portal_id", "gvsn"}
REQUIRED = {"type", "guid", "deleted", "name"}


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("unknown-key", lambda was, now: len(set(now) - set(was)) == 1 and was.items() <= now.items()),
        ("missing-key", lambda was, now: len(set(was) - set(now)) == 1 and set(now) >= REQUIRED),
        ("missing-required", lambda was, now: len(set(was) - set(now)) == 1 and not set(now) >= REQUIRED),
        ("null", lambda was, now: sum(now[key] is None and key in OPTIONAL for key in was) == 1),
        ("wrong-type", lambda was, now: set(was) == set(now) and was != now),
        ("unknown-type", lambda _, now: now["type"] not in {"file", "folder"}),
        ("old-name", lambda was, now: now["modified"] == was["portal_modified_date"]),
        ("bare-tombstone", lambda was, now: set(now) == REQUIRED if was["deleted"] else was == now),
        ("unreadable", lambda _, now: not isinstance(now, dict) or not set(now) & REQUIRED),
    ],
)
async def test_entries_are_disturbed_as_asked(kind: str, holds: Any) -> None:
    """Every entry at rate 1, some of them at a lower one, and the same ones when they are listed again."""
    made = world(300)
    async with SimulatedPortal(made) as portal, client(portal) as session:
        plain = [each for each in await listed(session) if "parent_guid" in each or kind != "wrong-type"]
        start = len(portal.feed) - len(plain)
        portal.faults.add(kind)
        assert all(holds(was, now) for was, now in zip(plain, (await listed(session))[start:], strict=True))
        portal.faults.clear()
        portal.faults.add(kind, 0.2)
        some = await listed(session)
        touched = sum(was != now for was, now in zip(plain, some[start:], strict=True))
        assert 0 < touched < len(plain) / 2
        assert some == await listed(session)
        in_pieces: list[Any] = []
        cursor, more = None, True
        while more:
            async with post(session, cursor=cursor, max_results=37) as answer:
                page = await answer.json()
            in_pieces += page["entries"]
            cursor, more = page["cursor"], page["has_more"]
        assert in_pieces == some


async def test_a_limit_counts_disturbed_entries() -> None:
    """Exactly the next n."""
    async with SimulatedPortal(world(), faults="unreadable:limit=3") as portal, client(portal) as session:
        first = await listed(session)
        assert sum("guid" not in (each if isinstance(each, dict) else {}) for each in first) == 3
        assert all(each["guid"] for each in await listed(session))
        assert portal.faults.fired == {"unreadable": 3}


@pytest.mark.parametrize("size", [1, 2, 7, 2000])
async def test_duplicates_come_beside_every_entry_and_never_above_the_page_size(size: int) -> None:
    """No state is lost for them."""
    made = world(50)
    async with SimulatedPortal(made, faults="duplicate:0.3") as portal, client(portal) as session:
        entries: list[Any] = []
        cursor, more = None, True
        while more:
            async with post(session, cursor=cursor, max_results=size) as answer:
                page = await answer.json()
            assert len(page["entries"]) <= size
            entries += page["entries"]
            cursor, more = page["cursor"], page["has_more"]
        versions = [each["gvsn"] for each in entries]
        assert set(versions) == {msgspec.json.decode(raw)["gvsn"] for raw in made.feed.log()}
        assert (len(versions) > len(made.feed)) == (size > 1)


async def test_a_shuffled_page_has_children_before_parents_but_states_in_order() -> None:
    """Nothing is lost, and no object goes back in time."""
    made = world(30)
    async with SimulatedPortal(made, faults="reorder") as portal, client(portal) as session:
        entries = await listed(session)
        versions = [int(each["gvsn"].rpartition(":")[2]) for each in entries]
        assert sorted(versions) == list(range(1, len(made.feed) + 1)) != versions
        for guid in {each["guid"] for each in entries}:
            own = [version for version, each in zip(versions, entries, strict=True) if each["guid"] == guid]
            assert own == sorted(own)
        place = {each["guid"]: index for index, each in enumerate(entries)}
        assert any(place.get(each.get("parent_guid"), -1) > place[each["guid"]] for each in entries)


async def test_states_coalesce_into_the_latest() -> None:
    """As a Portal does that keeps no journal."""
    made = world(30)
    async with SimulatedPortal(made, faults="coalesce,duplicate:0.1") as portal, client(portal) as session:
        entries = await listed(session)
        latest = {each["guid"]: each for each in map(msgspec.json.decode, made.feed.log())}
        assert {each["gvsn"] for each in entries} == {each["gvsn"] for each in latest.values()}


@pytest.mark.parametrize(
    ("to", "status", "body"),
    [
        ("nginx", 404, "<html>"),
        ("empty", 404, ""),
        ("json", 404, '{"message"'),
        ("text", 404, "404 page not found"),
        ("maintenance", 302, ""),
    ],
)
async def test_a_gateway_answers_in_the_portals_place_for_a_time(to: str, status: int, body: str) -> None:
    """At every endpoint, in each manner, from its first time on."""
    faults = f"gateway:to={to}:on=all:seconds=0.3"
    async with SimulatedPortal(world()) as portal, client(portal) as session:
        portal.faults = Faults.parse(faults)
        for what in ("list", "longpoll", "ancestors"):
            async with post(session, what) as answer:
                assert (answer.status, (await answer.text())[: len(body)]) == (status, body)
                assert "msg" not in await answer.text()
        await asyncio.sleep(0.35)
        assert portal.faults.active == []
        assert await listed(session)


async def test_an_echo_repeats_all_that_it_was_asked() -> None:
    """Cookie and body stand in the message."""
    async with SimulatedPortal(world(), faults="echo:400") as portal, client(portal) as session:
        async with post(session) as answer:
            assert answer.status == 400
            message = (await answer.json())["msg"]
        assert "JSESSIONID=" in message
        assert '"max_results": 2000' in message


async def test_an_answer_drips() -> None:
    """Byte by byte, to the last one."""
    faults = "drip:seconds=0.001:on=ancestors"
    async with SimulatedPortal(world(), faults=faults) as portal, client(portal) as session:
        entry = (await listed(session))[0]
        async with post(session, "ancestors", folder_id=entry["folder_id"], guid=entry["guid"]) as answer:
            assert (await answer.json())[0]["guid"] == entry["guid"]


@pytest.mark.parametrize("to", ["plain", "gzip", "deflate"])
async def test_a_huge_answer_is_still_the_answer(to: str) -> None:
    """With white space up to the size asked for."""
    faults = f"huge:to={to}:size=3000000:on=list"
    async with SimulatedPortal(world(), faults=faults) as portal, client(portal) as session:
        async with post(session) as answer:
            body = await answer.read()
        assert len(body) == 3_000_000
        assert len(msgspec.json.decode(body)["entries"]) == len(portal.feed)


async def test_a_header_grows_and_an_entry_gets_fat() -> None:
    """To the size asked for."""
    faults = "long-header:size=5000:on=list,fat:size=7000"
    async with SimulatedPortal(world(), faults=faults) as portal, client(portal) as session:
        async with post(session) as answer:
            assert len(answer.headers["Content-Security-Policy"]) == 5000
            entries = (await answer.json())["entries"]
        assert {len(entry["thumbnail"]) for entry in entries} == {7000}
