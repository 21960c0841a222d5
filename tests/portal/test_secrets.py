"""Nothing that this client keeps secret is told by it: whoever echoes it, in whatever form, wherever."""

import logging
import secrets
import traceback

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctera_insights.errors import InsightsError, LoginRefused, PortalStatusError
from ctera_insights.portal import AsyncGlobalAdmin, CloudFolder, RetryPolicy, Timeouts, vain
from ctera_insights.portal.redact import Redactor
from ctera_insights.settings import Secret
from ctera_insights.simulator import Faults

ONCE = RetryPolicy(attempts=2, base_s=0.001, retry_after_cap_s=0.01)
SHORT = Timeouts(connect_s=5, read_s=0.3, longpoll_s=0.2, longpoll_margin_s=0.5)
PASSWORDS = ["correct horse battery", "pä$$ & <wörd> 'x\"", "100%+plus/slash?=&;", "zwei  Leer\tzeichen\\n"]
PLACES = [
    "login",
    "session",
    "version",
    "tenant",
    "list",
    "longpoll",
    "ancestors",
    "users",
    "cloud-drives",
    "logout",
]
KINDS = [
    *[f"echo:{code}" for code in (400, 401, 403, 404, 405, 409, 410, 413, 422, 431, 500, 502, 503)],
    *[f"status:{code}" for code in (400, 401, 403, 404, 429, 500)],
    *(
        "reset",
        "close",
        "cut",
        "html",
        "empty",
        "redirect:to=each",
        "redirect:to=nowhere",
        "black-hole:seconds=9",
    ),
    *("gateway:to=each", "huge:size=9000000", "kill-session", "cursor"),
]


async def _go_through(portal, cursor):
    """Everything that a client does; gives the errors met on the way."""
    errors = []

    async def meet(awaitable):
        try:
            return await awaitable
        except InsightsError as error:
            errors.append(error)

    async with AsyncGlobalAdmin(
        portal.url, retries=ONCE, timeouts=SHORT, page_limit_bytes=1_000_000
    ) as admin:
        await meet(admin.login(portal.user, portal.password))
        root = ("x" * 3, "root:1")
        await meet(admin.notifications.get(cursor=cursor))
        await meet(admin.notifications.get())
        await meet(admin.notifications.changes(cursor, timeout=10))
        await meet(admin.notifications.ancestors((16, root[1])))
        await meet(admin.notifications.get([CloudFolder("Projects", "svc")]))
        shown = [repr(admin), repr(vars(admin)), repr(vars(admin._session)), repr(vars(admin._transport))]
        await meet(admin.logout())
    return errors, shown


def _told(error, *, with_locals):
    """All that an error can show, with those behind it; also the locals of its frames."""
    yield repr(error)
    yield str(error)
    if isinstance(error, PortalStatusError):
        yield error.message
    yield from traceback.TracebackException.from_exception(error, capture_locals=with_locals).format()
    if error.__cause__ is not None:
        yield from _told(error.__cause__, with_locals=with_locals)


def _found(secrets_, text):
    return [form for form in Redactor(map(Secret, secrets_))._forms if form in text]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_fault_at_any_place_tells_a_secret(kind, portal, caplog, monkeypatch):
    """Password and cookies stand in no message, log, repr or traceback with locals; no echoed cursor."""
    monkeypatch.setattr(vain, "LONGEST_PAUSE_S", 0.01)
    caplog.set_level(logging.DEBUG, "ctera_insights")
    met = 0
    for number, place in enumerate(PLACES):
        portal.password = PASSWORDS[number % len(PASSWORDS)]
        cursor = "cursor-" + secrets.token_hex(12)
        portal.faults = Faults.parse(f"{kind}:on={place}")
        errors, shown = await _go_through(portal, cursor)
        met += len(errors)
        cookies = [cookie for _, cookie in portal.sessions._sessions]
        told = [*shown, caplog.text, *(each for error in errors for each in _told(error, with_locals=False))]
        assert not _found([portal.password, cursor, *cookies], "".join(told)), place
        frames = "".join(each for error in errors for each in _told(error, with_locals=True))
        assert not _found([portal.password, *cookies], frames), place
        caplog.clear()
    assert met > 0


_letters = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=6, max_size=30
)


@given(password=_letters, around=st.text(max_size=700), status=st.sampled_from([400, 403, 404, 500]))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("shape", ["text", "json", "html", "form", "url"])
async def test_any_password_echoed_in_any_shape_is_masked(shape, password, around, status, served):
    """Also where the message is shortened in the middle of it, or its blanks are tidied."""
    import html
    import json
    from urllib.parse import quote

    async def handler(request):
        raw = (await request.read()).decode()
        body = {
            "text": f"{around} {password}",
            "json": json.dumps({"msg": f"{around}{password}{around}"}),
            "html": f"<html><title>{html.escape(password)}</title></html>",
            "form": f"{around}{raw}",
            "url": f"see https://x/?p={quote(password, safe='')}",
        }[shape]
        return web.Response(status=status, text=body)

    async with served(handler) as url, AsyncGlobalAdmin(url, retries=RetryPolicy(attempts=1)) as admin:
        with pytest.raises(InsightsError) as caught:
            await admin.login("jo", password)
    if password not in around and password not in url:
        told = f"{caught.value!r} {getattr(caught.value, 'message', '')}"
        tidied = " ".join("".join(c if c.isprintable() else " " for c in password).split())
        assert len(tidied) < 5 or tidied not in told.replace("refused the login", "")


async def test_session_ids_in_addresses_are_not_told(served):
    """Servers write them into redirects."""

    async def handler(_):
        return web.Response(
            status=302, headers={"Location": "/admin/login.html;jsessionid=0123456789ABCDEF?x=1"}
        )

    async with served(handler) as url, AsyncGlobalAdmin(url, retries=ONCE) as admin:
        with pytest.raises(LoginRefused, match=r"/admin/login\.html") as caught:
            await admin.login("jo", "secret")
        assert "0123456789ABCDEF" not in str(caught.value)


def test_short_secrets_are_not_masked():
    """To mask them would garble every message, and tell them by the gaps."""
    assert Redactor([Secret("1"), Secret("")]).text("HTTP 1.1 answered 401") == "HTTP 1.1 answered 401"
    assert Redactor([Secret("four")]).data(b"a four b") == b"a *** b"
    longer = Redactor([Secret("secret"), Secret("secretary")])
    assert longer.text("secretary") == "***"
