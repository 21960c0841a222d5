"""What stands in front of a Portal, and speaks in its place: during an upgrade, a restart, an outage."""

import asyncio
import json
import ssl

import pytest
import trustme
from aiohttp import web

from ctera_insights.errors import (
    AncestorsNotFound,
    CursorRefused,
    LoginRefused,
    PortalAway,
    PortalBusy,
    PortalRefused,
    PortalUnreachable,
    SessionLost,
    TLSFailed,
    UnreadableAnswer,
)
from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy, Timeouts, vain

QUICK = RetryPolicy(attempts=60, base_s=0.001, cap_s=0.02, retry_after_cap_s=0.01)
FOREVER = RetryPolicy(attempts=None, base_s=0.005, cap_s=0.05, retry_after_cap_s=0.05)
FEW = RetryPolicy(attempts=3, base_s=0.001)
SHORT = Timeouts(connect_s=5, read_s=5, longpoll_s=0.2, longpoll_margin_s=2)

PAGES = ["nginx", "empty", "json", "text", "maintenance", "each"]
STRANGE_BODIES = [
    b"",
    b"  \n",
    b"<html><head><title>404 Not Found</title></head></html>",
    b"<!DOCTYPE html><title>Error</title>",
    b"404 page not found\n",
    b"default backend - 404",
    b'{"message":"no Route matched with those values"}',
    b'{"timestamp":"2026-01-01","status":404,"error":"Not Found","path":"/admin/v2"}',
    b'{"fault":{"faultstring":"x"}}',
    b"null",
    b"[]",
    b'"no"',
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    b"\xff\xfe\x00",
]
OWN_BODIES = [
    b'{"msg":"Invalid"}',
    b'{"status":400,"msg":"Validation failed","details":[{"field":"cursor","error":"unknown"}]}',
    b'{"details":[]}',
    b'<obj><att id="msg"><val>no</val></att></obj>',
    b"<val>no</val>",
]


class FakePortal:
    """Answers as little as a Portal can; ``refuse`` may answer any request first."""

    def __init__(self):
        self.refuse = lambda _name, _query: None
        self.asked = []

    async def handle(self, request):
        name = request.path.rpartition("/")[2]
        query = json.loads(await request.read()) if "/v2/" in request.path else {}
        self.asked.append((name, query))
        if (answer := self.refuse(name, query)) is not None:
            return answer
        if name == "list":
            return web.json_response({"has_more": False, "cursor": "c1", "entries": []})
        if name == "longpoll":
            return web.json_response({"changes": True})
        if name == "ancestors":
            return web.json_response([{"guid": query["guid"], "name": "root"}])
        text = "<obj></obj>" if name == "currentSession" else "<val></val>"
        return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=0123456789ABCDEF"})

    def count(self, wanted):
        return sum(name == wanted for name, _ in self.asked)


@pytest.fixture
async def fake(served):
    """A Portal to be spoiled, and a client that is logged in and tries again quickly."""
    fake = FakePortal()
    async with served(fake.handle) as url:
        fake.url = url
        yield fake


def with_cursor(name, query):
    """Whether a request continues at a cursor."""
    return name in ("list", "longpoll") and query.get("cursor")


@pytest.mark.parametrize("page", PAGES)
async def test_a_follower_survives_a_redeploy_in_which_every_route_is_a_gateways(page, world, portal):
    """Login, list, long-poll, ancestors: for a while all are answered by something else; nothing is lost."""
    names, saved, queue = [], [], asyncio.Queue()
    async with AsyncGlobalAdmin(portal.url, timeouts=SHORT, retries=FOREVER) as admin:
        await admin.login(portal.user, portal.password)
        admin.notifications.service.run(queue, saved.append)
        feed = admin.notifications.service.events(queue)
        names += [(await anext(feed)).name for _ in range(7)]
        portal.faults.add("gateway", to=page, on=("all",), seconds=1.5)
        portal.sessions.kill()
        world.create(world.find("Projects"), "meanwhile.txt")
        async with asyncio.timeout(20):
            names.append((await anext(feed)).name)
        assert admin.notifications.service.running
    assert names[7:] == ["meanwhile.txt"]
    assert portal.faults.fired["gateway"] > 5


@pytest.mark.parametrize("outage", ["restart", "503", "502", "html", "empty", "close", "401", "403", "405"])
async def test_a_follower_survives_other_outages(outage, world, portal):
    """Nobody listens; a gateway's 5xx; a page with 200; a WAF's 403; a static site that knows no POST."""
    queue = asyncio.Queue()
    async with AsyncGlobalAdmin(portal.url, timeouts=SHORT, retries=FOREVER) as admin:
        await admin.login(portal.user, portal.password)
        admin.notifications.service.run(queue, lambda _: None)
        feed = admin.notifications.service.events(queue)
        for _ in range(7):
            await anext(feed)
        if outage == "restart":
            await portal.restart(down_s=1)
        elif outage.isdigit():
            portal.faults.add("gateway", code=int(outage), on=("all",), seconds=1)
        else:
            portal.faults.add(outage, on=("all",))
        world.create(world.find("Projects"), "meanwhile.txt")
        await asyncio.sleep(1)
        portal.faults.clear()
        async with asyncio.timeout(20):
            assert (await anext(feed)).name == "meanwhile.txt"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("code", [400, 403, 404, 405, 410, 422, 502, 503])
async def test_a_call_that_does_not_follow_ends_as_unreachable(page, code, portal):
    """After its attempts, with exit code 4, and no advice to begin a new baseline."""
    async with AsyncGlobalAdmin(portal.url, retries=FEW, timeouts=SHORT) as admin:
        await admin.login(portal.user, portal.password)
        cursor = (await admin.notifications.get()).cursor
        portal.faults.add("gateway", to=page, code=code, on=("all",))
        for asking in (admin.notifications.get(cursor=cursor), admin.notifications.changes(cursor)):
            with pytest.raises(PortalBusy) as caught:
                await asking
            assert caught.value.exit_code == 4
            assert "baseline" not in str(caught.value)
    async with AsyncGlobalAdmin(portal.url, retries=FEW) as admin:
        if code != 403:  # a first login that is forbidden is not repeated, whoever forbids it
            with pytest.raises(PortalBusy):
                await admin.login(portal.user, portal.password)


@pytest.mark.parametrize("body", OWN_BODIES + STRANGE_BODIES)
@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_a_cursor_that_alone_is_refused_is_found_out(status, body, fake):
    """In the Portal's own words at once; in unknown words after some proofs; never by a blank page."""
    own = body in OWN_BODIES
    blank = not body.strip() or body.lower().startswith((b"<html", b"<!doctype"))
    fake.refuse = lambda name, query: (
        web.Response(status=status, body=body) if with_cursor(name, query) else None
    )
    expected = PortalAway if blank else CursorRefused
    async with AsyncGlobalAdmin(fake.url, retries=QUICK) as admin:
        await admin.login("jo", "secret")
        for ask in (
            lambda: admin.notifications.get(cursor="c1"),
            lambda: admin.notifications.changes("c1"),
            lambda: admin.notifications.list_raw("c1", []),
        ):
            before = len(fake.asked)
            with pytest.raises(expected, match=f"{status} .*" if not own else "no longer accepts the cursor"):
                await ask()
            if own:
                asked = [
                    (name, query["cursor"], query.get("max_results")) for name, query in fake.asked[before:]
                ]
                assert len(asked) == 2
                assert asked[1] == ("list", None, 1)
            if blank:
                with pytest.raises(PortalAway, match=r"A null cursor is answered, though.*--resync"):
                    await ask()


@pytest.mark.parametrize("body", OWN_BODIES + STRANGE_BODIES)
@pytest.mark.parametrize("status", [404, 410])
async def test_a_refusal_of_everything_is_not_over_the_cursor(status, body, fake):
    """Whatever the words: when a null cursor is refused as well, the Portal is away."""
    fake.refuse = lambda name, _: web.Response(status=status, body=body) if name != "login" else None
    async with AsyncGlobalAdmin(fake.url, retries=FEW) as admin:
        fake.refuse, later = lambda *_: None, fake.refuse
        await admin.login("jo", "secret")
        fake.refuse = later
        with pytest.raises(PortalAway):
            await admin.notifications.get(cursor="c1")


async def test_a_page_without_words_that_passes_costs_time_only(fake):
    """Half of a load balancer's servers are being upgraded: the feed goes on with the others."""
    turns = iter(range(10_000))

    def every_other(name, query):
        if with_cursor(name, query) and next(turns) % 2 == 0:
            return web.Response(status=404, text="default backend - 404")
        return None

    fake.refuse = every_other
    async with AsyncGlobalAdmin(fake.url, retries=QUICK) as admin:
        await admin.login("jo", "secret")
        for _ in range(20):
            await admin.notifications.get(cursor="c1")
            assert await admin.notifications.changes("c1")


async def test_what_the_portal_refuses_in_its_own_words_is_final(fake):
    """A folder that the null cursor is refused for too is told as such, not waited out."""
    fake.refuse = lambda name, _: (
        web.json_response({"msg": "No such folder: 7"}, status=400) if name == "list" else None
    )
    async with AsyncGlobalAdmin(fake.url, retries=QUICK) as admin:
        await admin.login("jo", "secret")
        with pytest.raises(PortalRefused, match="No such folder") as caught:
            await admin.notifications.get([7], "c1")
        assert not isinstance(caught.value, CursorRefused)


@pytest.mark.parametrize("body", STRANGE_BODIES)
async def test_ancestors_are_not_unknown_because_a_gateway_says_404(body, fake):
    """Words that are not known for the Portal's are believed only while the Portal lists."""
    fake.refuse = lambda *_: None
    async with AsyncGlobalAdmin(fake.url, retries=FEW) as admin:
        await admin.login("jo", "secret")
        fake.refuse = lambda *_: web.Response(status=404, body=body)
        with pytest.raises(PortalAway):
            await admin.notifications.ancestors((16, "a:1"))
        remaining = iter(range(2))
        fake.refuse = lambda name, _: (
            web.Response(status=404, body=body)
            if name == "ancestors" and next(remaining, None) is not None
            else None
        )
        assert [event.guid for event in await admin.notifications.ancestors((16, "a:1"))] == ["a:1"]


async def test_words_of_unknown_make_are_the_portals_when_it_answers_beside_them(fake):
    """They are proven a few times, then known."""
    fake.refuse = lambda name, _: (
        web.json_response({"error": "not found"}, status=404) if name == "ancestors" else None
    )
    async with AsyncGlobalAdmin(fake.url, retries=QUICK) as admin:
        await admin.login("jo", "secret")
        for guid in ("a:1", "a:2", "a:3"):
            with pytest.raises(AncestorsNotFound, match="not found"):
                await admin.notifications.ancestors((16, guid))
        assert fake.count("list") <= 5
        assert fake.count("ancestors") <= 7


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, b"<html><title>Request blocked</title></html>", PortalAway),
        (403, b'{"msg":"no right"}', PortalRefused),
        (405, b"<html></html>", PortalAway),
        (413, b"<html><title>413 Request Entity Too Large</title></html>", PortalRefused),
        (414, b"", PortalRefused),
        (431, b"", SessionLost),
        (400, b"<html><title>400 Request Header Or Cookie Too Large</title></html>", SessionLost),
        (505, b"", PortalBusy),
        (511, b"<html><title>Sign in to the network</title></html>", PortalBusy),
        (407, b"", PortalRefused),
        (304, b"", PortalAway),
        (200, b"<html><title>Maintenance</title></html>", UnreadableAnswer),
        (451, b"", PortalAway),
    ],
)
async def test_every_status_of_a_gateway_passes_or_stays_on_purpose(status, body, error, fake, monkeypatch):
    """What time mends is tried again; what only a person mends is told at once."""
    monkeypatch.setattr(vain, "LONGEST_PAUSE_S", 0.01)
    async with AsyncGlobalAdmin(fake.url, retries=FEW) as admin:
        await admin.login("jo", "secret")
        fake.refuse = lambda name, _: web.Response(status=status, body=body) if name == "list" else None
        with pytest.raises(error) as caught:
            await admin.notifications.get()
        transient = error is not PortalRefused
        assert caught.value.transient is transient
        assert (fake.count("list") > 1) is transient


async def test_cookies_that_grew_too_large_are_shed_by_a_new_login(fake):
    """431 is answered by a session with fresh cookies."""
    fake.refuse = lambda name, _: (
        web.Response(status=431) if name == "list" and fake.count("login") == 1 else None
    )
    async with AsyncGlobalAdmin(fake.url, retries=FEW) as admin:
        await admin.login("jo", "secret")
        await admin.notifications.get()
    assert fake.count("login") == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_a_gateways_refusal_of_a_re_login_does_not_end_the_session_for_good(status, fake):
    """Nor is the password sent again before the Portal is back: a wrong one could lock the account."""
    async with AsyncGlobalAdmin(fake.url, retries=FOREVER) as admin:
        await admin.login("jo", "secret")
        fake.refuse = lambda *_: web.Response(status=status, text="<html>blocked</html>")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await admin.notifications.get(cursor="c1")
        if status == 401:  # 403 is no lost session, and asks for no login
            assert fake.count("login") == 2
            assert fake.count("currentSession") > 3
        fake.refuse = lambda *_: None
        assert (await admin.notifications.get(cursor="c1")).cursor == "c1"


async def test_a_password_changed_meanwhile_is_known_even_by_a_bare_403(fake):
    """A Portal that refuses without a word is told from a gateway: it sends strangers to its login page."""
    async with AsyncGlobalAdmin(fake.url, retries=FOREVER) as admin:
        await admin.login("jo", "secret")

        def refuse(name, _):
            if name == "login":
                return web.Response(status=403)
            return web.Response(status=302, headers={"Location": "/admin/login.html"})

        fake.refuse = refuse
        with pytest.raises(LoginRefused):
            async with asyncio.timeout(5):
                await admin.notifications.get(cursor="c1")
        assert fake.count("login") == 2


async def test_maintenance_pages_do_not_make_a_session(fake):
    """A web page with 200 in the place of the login's answer is no login."""
    fake.refuse = lambda *_: web.Response(
        text="<html><h1>We are back soon</h1></html>", content_type="text/html"
    )
    async with AsyncGlobalAdmin(fake.url, retries=FEW) as admin:
        with pytest.raises(PortalAway, match="maintenance"):
            await admin.login("jo", "secret")
    assert fake.count("login") == 3


def _context(ca, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names).configure_cert(context)
    return context


async def test_another_certificate_in_the_middle_of_a_run_passes(served, tmp_path):
    """An ingress without its backend shows its own certificate; one that is wrong from the start is final."""
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    fake = FakePortal()
    async with served(fake.handle, ssl_context=_context(ours, "127.0.0.1")) as url:
        port = int(url.rpartition(":")[2])
        admin = AsyncGlobalAdmin(url, ca_file=tmp_path / "ca.pem", retries=QUICK)
        await admin.login("jo", "secret")
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=_context(theirs, "127.0.0.1")).start()
    try:
        with pytest.raises(PortalUnreachable, match="in order before") as caught:
            await admin.notifications.get(cursor="c1")
        assert caught.value.transient
        async with AsyncGlobalAdmin(url, ca_file=tmp_path / "ca.pem", retries=QUICK) as stranger:
            with pytest.raises(TLSFailed):
                await stranger.login("jo", "secret")
    finally:
        await admin.close()
        await runner.cleanup()
