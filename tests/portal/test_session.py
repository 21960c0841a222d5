"""Login, session start, re-login, logout."""

import asyncio
import logging
import traceback

import pytest
from aiohttp import web

from ctera_insights.errors import (
    InsightsError,
    LoginRefused,
    PortalRefused,
    PortalUnreachable,
    SessionLost,
    UnreadableAnswer,
    UsageError,
)
from ctera_insights.portal import AsyncGlobalAdmin, AsyncServicesPortal, CloudFolder, RetryPolicy, Timeouts
from ctera_insights.portal.session import PortalSession
from ctera_insights.settings import Secret

QUICK = RetryPolicy(attempts=60, base_s=0.001, cap_s=0.02, retry_after_cap_s=0.01)
ONCE = RetryPolicy(attempts=1)
SHORT = Timeouts(connect_s=5, read_s=5, longpoll_s=0.2, longpoll_margin_s=2)


def xml(text, **headers):
    """A v1 answer."""
    return web.Response(text=text, content_type="text/xml", headers=headers)


def minimal(request, **answers):
    """A Portal that says as little as it can; ``answers`` replace it by the last part of the path."""
    name = request.path.rpartition("/")[2]
    if name in answers:
        return answers[name](request)
    if name == "list":
        return web.json_response({"has_more": False, "cursor": "c1", "entries": []})
    if name == "login":
        return xml("<val>Login succeed</val>", **{"Set-Cookie": "JSESSIONID=0123456789ABCDEF; Path=/"})
    return xml("<obj></obj>" if name == "currentSession" else "<val></val>")


@pytest.mark.parametrize("client", [AsyncGlobalAdmin, AsyncServicesPortal])
async def test_logs_in_in_both_contexts(client, portal):
    """After login the client knows user, role and version, and lists."""
    async with client(portal.url) as connected:
        assert connected.session is None
        await connected.login(portal.user, Secret(portal.password))
        assert connected.session == PortalSession("admin", None, "ReadWriteAdmin", None, "8.3.1200.19")
        assert len(await connected.notifications.get()) == 7
        await connected.logout()
        assert connected.session is None


async def test_a_wrong_password_is_tried_once(portal):
    """The Portal's words are told, and nothing is tried again."""
    async with AsyncGlobalAdmin(portal.url) as admin:
        with pytest.raises(LoginRefused, match="Invalid username or password"):
            await admin.login(portal.user, "wrong")
        assert portal.requests["login"] == 1
        with pytest.raises(UsageError, match="login"):
            await admin.notifications.get()


async def test_login_waits_for_a_portal_that_is_unwell(portal):
    """What passes is tried again during login as well."""
    for endpoint in ("login", "session", "version"):
        portal.faults.add("status", code=503, on=(endpoint,), limit=2)
    async with AsyncGlobalAdmin(portal.url, retries=QUICK) as admin:
        await admin.login(portal.user, portal.password)
        assert admin.session is not None


async def test_a_portal_may_say_nothing_about_the_session(served):
    """Missing attributes, an empty version and a refused question do not break the login."""

    async def handler(request):
        return minimal(request, version=lambda _: web.Response(status=403))

    async with served(handler) as url, AsyncGlobalAdmin(url) as admin:
        await admin.login("jo", "secret")
        assert admin.session == PortalSession("jo")


@pytest.mark.parametrize("text", ["8", "8.3", "unknown", "8.3.1200.19-rc1", "007"])
async def test_any_version_is_taken_as_text(text, served):
    """A version is not parsed, and no number loses its digits."""

    async def handler(request):
        return minimal(request, version=lambda _: xml(f"<val>{text}</val>"))

    async with served(handler) as url, AsyncGlobalAdmin(url) as admin:
        await admin.login("jo", "secret")
        assert admin.session is not None
        assert admin.session.version == text


async def test_browses_a_tenant_and_stays_there_after_a_re_login(portal, admin):
    """The tenant is text, and a new session is taken to the same tenant before anything is listed."""
    await admin.portals.browse("007")
    assert admin.session.tenant == "007"
    portal.sessions.kill()
    await admin.notifications.get()
    assert [session.tenant for session in portal.sessions._sessions.values()] == ["007"]
    await admin.portals.browse_global_admin()
    assert admin.session.tenant is None


LOST = [
    *[("redirect", {"code": code, "to": "own"}) for code in (301, 302, 303, 307, 308)],
    *[
        ("redirect", {"to": to})
        for to in ("admin", "services", "admin-absolute", "services-absolute", "microsoft", "nowhere")
    ],
    ("status", {"code": 401}),
    ("html", {}),
    ("kill-session", {}),
]


@pytest.mark.parametrize("endpoint", ["list", "longpoll", "ancestors", "users"])
@pytest.mark.parametrize(("fault", "options"), LOST)
async def test_logs_in_again_when_the_session_is_gone(fault, options, endpoint, portal, admin):
    """Every way in which a Portal says so leads to one login, and the request is answered."""
    page = await admin.notifications.get()
    portal.faults.add(fault, on=(endpoint,), limit=1, **options)
    match endpoint:
        case "list":
            assert len(await admin.notifications.get()) == 7
        case "longpoll":
            assert not await admin.notifications.changes(page.cursor, timeout=10)
        case "ancestors":
            assert await admin.notifications.ancestors(page.entries[1])
        case "users":
            assert await admin.notifications.get([CloudFolder("Projects", "svc")])
    assert portal.faults.fired[fault] == 1
    assert portal.requests["login"] == 2


async def test_outlasts_a_restart_of_the_portal(portal, admin):
    """A restart drops connections and sessions; requests meanwhile wait it out."""
    restarting = asyncio.create_task(portal.restart(down_s=0.05))
    pages = await asyncio.gather(*[admin.notifications.get() for _ in range(5)])
    await restarting
    pages.append(await admin.notifications.get())
    assert {len(page) for page in pages} == {7}
    assert portal.requests["login"] == 2


async def test_many_requests_share_one_login(portal, admin):
    """Requests that lose the session together wait for one login."""
    portal.sessions.kill()
    pages = await asyncio.gather(*[admin.notifications.get() for _ in range(30)])
    assert {len(page) for page in pages} == {7}
    assert portal.requests["login"] == 2


async def test_a_password_changed_meanwhile_is_tried_once(portal, admin):
    """A re-login that is refused is final for every request, also for later ones, until login() is called."""
    portal.password, old = "changed", portal.password
    portal.sessions.kill()
    results = await asyncio.gather(*[admin.notifications.get() for _ in range(10)], return_exceptions=True)
    assert {type(result) for result in results} == {LoginRefused}
    with pytest.raises(LoginRefused):
        await admin.notifications.get()
    assert portal.requests["login"] == 2
    with pytest.raises(LoginRefused):
        await admin.login(portal.user, old)
    await admin.login(portal.user, "changed")
    assert len(await admin.notifications.get()) == 7


async def test_a_fresh_session_that_is_refused_is_lost(portal):
    """One login per failing request; then the error says what the Portal does."""
    async with AsyncGlobalAdmin(portal.url, retries=ONCE) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add("redirect", on=("list",))
        with pytest.raises(SessionLost, match=r"right after a new login.*redirected.*login\.html"):
            await admin.notifications.get()
        assert portal.requests["login"] == 2


async def test_html_again_after_a_new_login_is_unreadable(portal):
    """A Portal that serves HTML to a fresh session too has another trouble than the session."""
    async with AsyncGlobalAdmin(portal.url, retries=ONCE) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add("html", on=("list",))
        with pytest.raises(UnreadableAnswer, match="HTML"):
            await admin.notifications.get()
        assert portal.requests["login"] == 2


async def test_a_session_killed_again_and_again_costs_time_only(portal, admin):
    """With the session gone at every third request, every page arrives."""
    portal.faults.add("kill-session", every=3)
    for _ in range(20):
        assert len(await admin.notifications.get()) == 7


async def test_a_login_whose_session_is_refused_says_so(portal):
    """A Portal that takes the password but not the session is told apart from a wrong password."""
    portal.faults.add("redirect", on=("session",))
    async with AsyncGlobalAdmin(portal.url, retries=QUICK) as admin:
        with pytest.raises(SessionLost, match="accepted the password of 'admin', but not the session"):
            await admin.login(portal.user, portal.password)
    assert portal.requests["login"] == 2


async def test_a_login_that_leads_to_a_login_page_is_refused(portal):
    """At a first login nothing speaks for the password; it is not sent again and again."""
    portal.faults.add("redirect", to="microsoft", on=("login",))
    async with AsyncGlobalAdmin(portal.url, retries=QUICK) as admin:
        with pytest.raises(LoginRefused, match=r"login\.microsoftonline\.com"):
            await admin.login(portal.user, portal.password)
    assert portal.requests["login"] == 1


async def test_a_re_login_that_leads_to_a_login_page_passes(portal, admin):
    """Credentials that worked before are tried again when the Portal stumbles."""
    portal.sessions.kill()
    portal.faults.add("redirect", on=("login",), limit=1)
    assert len(await admin.notifications.get()) == 7


@pytest.mark.parametrize(
    "attributes", ["", "; Path=/admin/api", "; Path=/; Secure", "; HttpOnly; Max-Age=600"]
)
async def test_a_session_cookie_works_with_any_attributes(attributes, served):
    """Whatever path or flags the Portal puts on its cookie, all endpoints get it."""
    seen = []

    async def handler(request):
        seen.append((request.path.rpartition("/")[2], request.headers.get("Cookie")))
        return minimal(
            request,
            login=lambda _: xml("<val/>", **{"Set-Cookie": f"JSESSIONID=0123456789ABCDEF{attributes}"}),
        )

    async with served(handler) as url, AsyncGlobalAdmin(url) as admin:
        await admin.login("jo", "secret")
        await admin.notifications.get()
    assert dict(seen) == {
        "login": None,
        "list": "JSESSIONID=0123456789ABCDEF",
        **dict.fromkeys(("currentSession", "currentPortal", "version"), "JSESSIONID=0123456789ABCDEF"),
    }


async def test_cookies_change_during_a_session(served):
    """A cookie that an answer sets or takes away, such as a load balancer's, is followed."""
    cookies = iter(["balancer=a; Path=/", "balancer=b; Path=/", "balancer=; Max-Age=0", "other=1"])
    seen = []

    async def handler(request):
        def page(request):
            seen.append(request.headers["Cookie"].partition("; ")[2])
            answer = web.json_response({"has_more": False, "cursor": "c1", "entries": []})
            answer.headers["Set-Cookie"] = next(cookies)
            return answer

        return minimal(request, list=page)

    async with served(handler) as url, AsyncGlobalAdmin(url) as admin:
        await admin.login("jo", "secret")
        for _ in range(4):
            await admin.notifications.get()
    assert seen == ["", "balancer=a", "balancer=b", ""]


async def test_a_late_answer_of_the_old_session_does_not_spoil_the_new_one(served):
    """A redirect that sets an anonymous cookie arrives after another request has logged in again."""
    logins = 0
    late = asyncio.Event()

    async def handler(request):
        nonlocal logins
        name = request.path.rpartition("/")[2]
        if name == "login":
            logins += 1
            return xml("<val/>", **{"Set-Cookie": f"JSESSIONID=session{logins}"})
        if name in ("list", "longpoll") and request.headers["Cookie"] != "JSESSIONID=session2":
            if name == "longpoll":
                await late.wait()
            return web.Response(
                status=302, headers={"Location": "/admin/login.html", "Set-Cookie": "JSESSIONID=anonymous"}
            )
        if name == "longpoll":
            return web.json_response({"changes": True})
        return minimal(request)

    async with served(handler) as url, AsyncGlobalAdmin(url, retries=ONCE, timeouts=SHORT) as admin:
        await admin.login("jo", "secret")
        waiting = asyncio.create_task(admin.notifications.changes("c1"))
        await asyncio.sleep(0.05)
        await admin.notifications.get()
        late.set()
        assert await waiting
        await admin.notifications.get()
    assert logins == 2


async def test_redirects_are_not_followed(served):
    """Neither the password nor a request goes to where a redirect points."""
    strangers = []

    async def stranger(request):
        strangers.append(request.path)
        return web.Response()

    async with served(stranger) as elsewhere:

        async def handler(request):
            return web.Response(status=307, headers={"Location": f"{elsewhere}{request.path}"})

        async with served(handler) as url, AsyncGlobalAdmin(url, retries=QUICK) as client:
            with pytest.raises(PortalRefused, match=f"{elsewhere}. Use that address"):
                await client.login("jo", "secret")
    assert strangers == []


async def test_logout_ends_the_session_and_login_may_follow(portal, admin):
    """After a logout the Portal has no session, the client refuses work, and can log in anew."""
    await admin.logout()
    assert len(portal.sessions) == 0
    with pytest.raises(UsageError, match="login"):
        await admin.notifications.get()
    await admin.login(portal.user, portal.password)
    assert len(await admin.notifications.get()) == 7
    portal.sessions.kill()
    await admin.logout()
    assert portal.requests["login"] == 2


async def test_a_logout_that_fails_forgets_the_session_all_the_same(portal, admin):
    """The error is raised, and nothing is left to work with."""
    portal.faults.add("close", on=("logout",))
    with pytest.raises(PortalUnreachable):
        await admin.logout()
    assert admin.session is None
    with pytest.raises(UsageError):
        await admin.notifications.get()


async def test_needs_a_login(portal):
    """Work before login() is a mistake of the program, not a lost session."""
    async with AsyncGlobalAdmin(portal.url) as admin:
        with pytest.raises(UsageError, match="Not logged in"):
            await admin.notifications.get()
    with pytest.raises(UsageError):
        await AsyncGlobalAdmin(portal.url).notifications.get()


async def test_works_without_async_with(portal):
    """login() opens, logout() or close() closes."""
    admin = AsyncGlobalAdmin(portal.url)
    await admin.login(portal.user, portal.password)
    await admin.notifications.get()
    await admin.logout()
    await admin.close()
    await admin.close()


async def _failures(portal):
    """Errors of all kinds, each raised from deep inside the client."""
    async with AsyncGlobalAdmin(portal.url, retries=ONCE, timeouts=SHORT) as admin:
        for kind, options in [
            ("status", {"code": 403}),
            ("status", {"code": 500}),
            ("close", {}),
            ("html", {}),
        ]:
            for endpoint in ("login", "session", "list"):
                portal.faults.clear()
                if endpoint == "list":
                    await admin.login(portal.user, portal.password)
                portal.faults.add(kind, on=(endpoint,), **options)
                try:
                    await (
                        admin.notifications.get()
                        if endpoint == "list"
                        else admin.login(portal.user, Secret(portal.password))
                    )
                except InsightsError as error:
                    yield error
        portal.faults.clear()
        await admin.login(portal.user, portal.password)
        portal.faults.add("cut", on=("list", "login"))
        for _ in range(2):
            try:
                await admin.notifications.get()
            except InsightsError as error:
                yield error
            portal.sessions.kill()


async def test_no_secret_is_shown(portal, caplog):
    """Neither password nor cookie stands in messages, logs, reprs, or the locals of a traceback."""
    portal.password = "correct horse battery staple"
    caplog.set_level(logging.DEBUG)
    shown, cookies = [], set()
    async for error in _failures(portal):
        cookies |= {cookie for _, cookie in portal.sessions._sessions}
        cause = error
        while cause is not None:
            shown.append(repr(cause) + str(cause))
            shown += traceback.TracebackException.from_exception(cause, capture_locals=True).format()
            cause = cause.__cause__
    portal.faults.clear()
    async with AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        cookies |= {cookie for _, cookie in portal.sessions._sessions}
        shown += [repr(admin), repr(vars(admin)), repr(vars(admin._session)), repr(vars(admin._transport))]
    shown.append(caplog.text)
    text = "".join(shown)
    assert len(shown) > 20
    assert "session.py" in text
    assert cookies
    secrets = {portal.password, portal.password.replace(" ", "+"), *cookies}
    # The test's own frames hold the portal, whose repr tells nothing either.
    assert not [secret for secret in secrets if secret in text]
