"""A login that works, and a session that is refused all the same."""

import asyncio
import time

import pytest
from aiohttp import web

from ctera_insights.errors import SessionLost, SessionRefused
from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy, vain

FOREVER = RetryPolicy(attempts=None, base_s=0.001, cap_s=0.01)
DEFAULT = RetryPolicy()


@pytest.fixture
def unhurried(monkeypatch):
    """The waits between logins are noted, and cut to a hundredth."""
    waits = []

    async def sleep(wait_s, *, really=asyncio.sleep):
        waits.append(wait_s)
        await really(wait_s / 100)

    monkeypatch.setattr("ctera_insights.portal.session.asyncio.sleep", sleep)
    return waits


async def test_a_call_gives_up_after_a_few_logins_and_says_why(portal):
    """401 for ever: four more logins with growing waits, then a final error with the whole story."""
    told = []
    async with AsyncGlobalAdmin(
        portal.url, retries=RetryPolicy(base_s=0.01), on_retry=lambda error, _: told.append(str(error))
    ) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add("status", code=401, on=("list",))
        begun = time.monotonic()
        with pytest.raises(
            SessionRefused, match=r"Logging in as 'admin' works, but .* 4 times in \d+ s.*401"
        ) as caught:
            await admin.notifications.get()
        assert time.monotonic() - begun > 6
    assert caught.value.exit_code == 3
    assert portal.requests["login"] == 5
    assert any("Logging in again in 4 s" in text for text in told)


async def test_a_follower_bears_it_for_a_quarter_of_an_hour(portal, unhurried, monkeypatch):
    """With at most one login a minute in the end: a Portal may come up in parts."""
    monkeypatch.setattr(vain, "ENDURED_S", 3.0)
    async with AsyncGlobalAdmin(portal.url, retries=FOREVER) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add("status", code=401, on=("list",))
        with pytest.raises(SessionRefused):
            await admin.notifications.get()
    pauses = [wait_s for wait_s in unhurried if wait_s >= 1]
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert portal.requests["login"] <= len(pauses) + 2


@pytest.mark.usefixtures("unhurried")
async def test_a_session_that_is_taken_in_the_end_costs_time_only(portal):
    """A handful of refusals, with logins in between, then the answer; and the count begins anew."""
    async with AsyncGlobalAdmin(portal.url, retries=FOREVER) as admin:
        await admin.login(portal.user, portal.password)
        for _ in range(3):
            portal.faults.add("status", code=401, on=("list",), limit=6)
            assert len(await admin.notifications.get()) == 7


@pytest.mark.usefixtures("unhurried")
async def test_other_questions_of_the_same_session_do_not_hide_it(portal):
    """Logins are counted by what they were made for: ancestors that work excuse no list that does not."""
    async with AsyncGlobalAdmin(portal.url, retries=RetryPolicy(attempts=1)) as admin:
        await admin.login(portal.user, portal.password)
        root = (await admin.notifications.get()).entries[0]
        portal.faults.add("status", code=401, on=("list",))
        for _ in range(3):
            with pytest.raises(SessionLost):
                await admin.notifications.get()
            assert await admin.notifications.ancestors(root)
        with pytest.raises(SessionRefused):
            await admin.notifications.get()
    assert portal.requests["login"] == 5


@pytest.mark.usefixtures("unhurried")
async def test_html_after_each_login_ends_the_same_way(served):
    """A login page that comes back at once, however often one logs in."""

    async def handler(request):
        name = request.path.rpartition("/")[2]
        if name == "list":
            return web.Response(text="<html><form></form></html>", content_type="text/html")
        text = "<obj></obj>" if name == "currentSession" else "<val></val>"
        return web.Response(text=text, headers={"Set-Cookie": "JSESSIONID=1"})

    async with served(handler) as url, AsyncGlobalAdmin(url, retries=RetryPolicy(base_s=0.01)) as admin:
        await admin.login("jo", "secret")
        with pytest.raises(SessionRefused, match="HTML"):
            await admin.notifications.get()


async def test_many_waiting_requests_share_the_waits(portal, unhurried):
    """A crowd of requests makes no crowd of logins."""
    async with AsyncGlobalAdmin(portal.url, retries=FOREVER) as admin:
        await admin.login(portal.user, portal.password)
        portal.faults.add("status", code=401, on=("list",))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await asyncio.gather(*[admin.notifications.get() for _ in range(20)])
    assert portal.requests["login"] < 14
    assert max(unhurried) >= 16
