import pytest

from ctera_insights.errors import PortalAway, PortalBusy, PortalRefused, SessionLost, UnreadableAnswer
from ctera_insights.portal.answers import (
    LoginPage,
    json_body,
    json_object,
    require_success,
    server_message,
    xml_object,
    xml_value,
)
from ctera_insights.portal.transport import Answer


def answer(
    status: int = 200,
    body: bytes = b"",
    location: str | None = None,
    retry_after_s: float | None = None,
    method: str = "POST",
):
    what = f"{method} https://tenant.ctera.com/admin/v2/api/metadata/list"
    return Answer(what, status, body, location, retry_after_s, {})


@pytest.mark.parametrize("status", [200, 201, 204])
def test_takes_any_2xx(status: int):
    """Every 2xx is a success."""
    require_success(answer(status))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 599])
def test_knows_what_passes(status: int):
    """Statuses that pass are transient, with status, message and the wait asked for."""
    with pytest.raises(PortalBusy) as caught:
        require_success(answer(status, b'{"msg":"later"}', retry_after_s=7))
    assert caught.value.transient
    assert (caught.value.status, caught.value.message, caught.value.retry_after_s) == (status, "later", 7)
    assert "later" in str(caught.value)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 412, 413, 422, 499])
@pytest.mark.parametrize("body", [b'{"msg":"no"}', b'<obj><att id="msg"><val>no</val></att></obj>'])
def test_knows_what_stays(status: int, body: bytes):
    """Other error statuses in the Portal's own words are refusals that are not tried again."""
    with pytest.raises(PortalRefused, match=r"The Portal answered .*: no") as caught:
        require_success(answer(status, body))
    assert not caught.value.transient
    assert caught.value.status == status


@pytest.mark.parametrize(
    "status", [304, 400, 402, 403, 404, 405, 406, 409, 410, 412, 415, 421, 422, 451, 499]
)
@pytest.mark.parametrize(
    "body", [b"", b"<html><title>Oops</title></html>", b'{"message":"no route"}', b"text"]
)
def test_knows_who_is_not_the_portal(status: int, body: bytes):
    """The same statuses in other words, or none, come from something on the way, and pass."""
    with pytest.raises(PortalAway, match=r"A gateway, not the Portal, answered .*metadata/list") as caught:
        require_success(answer(status, body))
    assert caught.value.transient
    assert caught.value.exit_code == 4
    assert caught.value.is_blank is (not body or body.startswith(b"<"))


@pytest.mark.parametrize(
    "location",
    [
        "/maintenance.html",
        "https://tenant.ctera.com/sorry",
        "https://status.example.org/outage/",
        "/50x.html",
    ],
)
def test_a_redirect_to_a_page_about_maintenance_passes(location: str):
    """No login helps there."""
    with pytest.raises(PortalAway, match="maintenance"):
        require_success(answer(302, location=location))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        None,
        "",
        "/admin/login.html",
        "/ServicesPortal/login.html",
        "login.html",
        "https://tenant.ctera.com/ServicesPortal/login.html",
        "https://login.microsoftonline.com/common/saml2?SAMLRequest=topsecret",
        "https://sso.example.org/",
        "http://[broken/",
    ],
)
def test_a_redirect_means_that_the_session_is_gone(status: int, location: str | None):
    """Whatever the status and the target: the session is gone, and no token of the address is shown."""
    with pytest.raises(SessionLost) as caught:
        require_success(answer(status, location=location))
    assert "topsecret" not in str(caught.value)


def test_a_redirect_to_the_same_path_elsewhere_is_advice():
    """http to https, or a canonical host name, is no lost session: the message names the address to use."""
    with pytest.raises(PortalRefused, match=r"https://portal\.ctera\.com\. Use that address"):
        require_success(answer(301, location="https://portal.ctera.com/admin/v2/api/metadata/list"))


def test_401_means_that_the_session_is_gone():
    """401 is a lost session."""
    with pytest.raises(SessionLost):
        require_success(answer(401, b'{"msg":"expired"}'))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b'<obj><att id="msg"><val>Invalid username or password</val></att></obj>',
            "Invalid username or password",
        ),
        (b"<val>Something went wrong</val>", "Something went wrong"),
        (b'{"status":400,"msg":"Validation failed"}', "Validation failed"),
        (
            b'{"msg":"Invalid","details":[{"field":"folder_ids","error":"size must be between 0 and 50"}]}',
            "Invalid; folder_ids: size must be between 0 and 50",
        ),
        (b'{"details":[{"error":"a"},{"error":7},null,{"error":"b"}]}', "a; b"),
        (b'{"msg":7,"error":"Bad Request","details":"x"}', "Bad Request"),
        (b'"in words"', "in words"),
        (b"plain\r\n text\x1b[31m", "plain text [31m"),
        (b"<html><head><title>502 Bad\nGateway</title></head></html>", "502 Bad Gateway"),
        (b"<html>", ""),
        (b"[1,2]", ""),
        (b"null", ""),
        (b"", ""),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (b'{"msg":' * 100_000, None),
    ],
)
def test_finds_the_servers_words_in_any_body(body: bytes, message: str | None):
    """v1 XML, v2 JSON, HTML, text or rubbish: the words that are there, and never another error."""
    found = server_message(body)
    if message is not None:
        assert found == message
    assert len(found) <= 502
    assert found.isprintable()


def test_a_whole_json_document_is_taken_without_parsing():
    """White space around it does not matter."""
    assert json_body(answer(body=b'\n {"a":1} \r\n'), b"{") == b'\n {"a":1} \r\n'
    assert json_body(answer(body=b"[]"), b"[") == b"[]"


@pytest.mark.parametrize("body", [b"", b"  ", b'{"entries":[{"na', b"null", b"[]", b'"{}"', b"\x00"])
def test_half_a_document_is_unreadable(body: bytes):
    """Nothing, half a document or another kind of document is unreadable, which is transient."""
    with pytest.raises(UnreadableAnswer) as caught:
        json_body(answer(body=body), b"{")
    assert caught.value.transient
    assert not isinstance(caught.value, LoginPage)


def test_html_is_told_apart():
    """HTML where JSON or XML was due is taken for a login page."""
    for body in (b"<!DOCTYPE html><html>", b"\n<HTML><body>", b"<html lang='en'>"):
        for read in (lambda given: json_body(given, b"{"), json_object, xml_value):
            with pytest.raises(LoginPage):
                read(answer(body=body))


def test_reads_v1_answers():
    """An empty v1 body is no value; an object is asked for where one is due."""
    assert xml_value(answer(body=b" ")) is None
    assert xml_object(answer(body=b"<obj></obj>")) == {}
    with pytest.raises(UnreadableAnswer, match="No object"):
        xml_object(answer(body=b"<val>x</val>"))
    with pytest.raises(UnreadableAnswer, match="metadata/list"):
        xml_object(answer(body=b"{}"))
    with pytest.raises(UnreadableAnswer, match="not JSON"):
        json_object(answer(body=b"{nope}"))
