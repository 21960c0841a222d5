"""What an answer means: done, session gone, refused, busy or unreadable, in the Portal's own words."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from ctera_insights.errors import PortalAway, PortalBusy, PortalRefused, SessionLost, UnreadableAnswer
from ctera_insights.portal import xml
from ctera_insights.portal.scan import in_utf8

if TYPE_CHECKING:
    from ctera_insights.portal.transport import Answer

_PASSING: Final = frozenset({408, 425, 429})
_TOO_LARGE: Final = frozenset({413, 414})
_MAINTENANCE: Final = re.compile(
    r"/[^/]*(maint|sorry|outage|unavailable|upgrad|offline|50[\dx])[^/]*/?$", re.IGNORECASE
)
_TEXT_LIMIT: Final = 500
_TITLE: Final = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class LoginPage(UnreadableAnswer):
    """HTML where data was due. Most often a login page: the session is gone."""


def require_success(answer: Answer) -> None:
    """Return when the status is 2xx, else raise what it means.

    Whether an error passes is told by whose words it comes in. The Portal's own refusals are final. Anything
    else (HTML, nothing, JSON of another make) comes from a gateway, or from a server that is about to become
    the Portal, as during an upgrade: that passes.

    Raises:
        SessionLost: 401, 431, or a redirect to anywhere but the same path.
        PortalBusy: 408, 425, 429, 5xx.
        PortalAway: any other status, in words not the Portal's; a redirect to a page about maintenance.
        PortalRefused: any other status, in the Portal's own words, and 413 and 414 in anybody's.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    message = server_message(answer.body)
    if 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED:
        raise _redirected(answer, message)
    said = f": {message}" if message else "."
    text = f"The Portal answered {_name(status)} to {answer.what}{said}"
    if status == HTTPStatus.UNAUTHORIZED:
        raise SessionLost(text)
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE or "cookie too large" in message.lower():
        raise SessionLost(f"{text} The session's cookies have grown too large.")
    kind: type[PortalBusy | PortalRefused] = PortalRefused
    if status >= 500 or status in _PASSING:
        kind = PortalBusy
    elif status in _TOO_LARGE:
        text += f" The question has {answer.asked_bytes:,} bytes: the limit of a gateway must be raised."
    elif not is_portals_own(answer.body):
        raise PortalAway(
            f"A gateway, not the Portal, answered {_name(status)} to {answer.what}{said} The Portal may be "
            "restarting. If it stays so, check the address.",
            status=status,
            message=message,
            retry_after_s=answer.retry_after_s,
            is_blank=not answer.body.strip() or is_html(answer.body),
        )
    if status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED:
        text += " This network wants a sign-in of its own first, in a browser."
    raise kind(text, status=status, message=message, retry_after_s=answer.retry_after_s)


def is_portals_own(body: bytes) -> bool:
    """Whether an error is in the Portal's own form: v1 XML, or v2 JSON with a ``msg`` or ``details``.

    >>> is_portals_own(b'{"msg": "no"}'), is_portals_own(b"<html></html>"), is_portals_own(b"")
    (True, False, False)
    """
    text = body.strip()
    try:
        if text.startswith(b"<"):
            return xml.decode(text) is not None
        data = json.loads(text)
    except (UnreadableAnswer, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and (
        isinstance(data.get("msg"), str) or isinstance(data.get("details"), list) or "$class" in data
    )


def _redirected(answer: Answer, message: str) -> SessionLost | PortalRefused | PortalAway:
    asked = URL(answer.what.partition(" ")[2], encoded=True)
    if not answer.location:
        return SessionLost(
            f"The Portal answered {answer.what} with a redirect to nowhere: the session is gone."
        )
    try:
        target = asked.join(URL(answer.location))
        # Query, user part and path parameters may hold tokens and session ids; they are not shown.
        place, path = str(target.origin()), target.path.partition(";")[0]
    except ValueError:
        return SessionLost(f"The Portal redirected {answer.what} to an invalid address: the session is gone.")
    if path.rstrip("/") == asked.path.rstrip("/") and target.origin() != asked.origin():
        return PortalRefused(
            f"The Portal redirected {answer.what} to {place}. Use that address.", status=answer.status
        )
    if _MAINTENANCE.search(path):
        return PortalAway(
            f"Instead of an answer to {answer.what} came a redirect to {place}{path}: maintenance.",
            status=answer.status,
            message=message,
            retry_after_s=answer.retry_after_s,
        )
    return SessionLost(f"The Portal redirected {answer.what} to {place}{path}: the session is gone.")


def _name(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def server_message(body: bytes) -> str:
    """What the Portal said in an error body of any kind: v2 JSON, v1 XML, HTML, plain text; "" if nothing."""
    text = body.strip()
    if text.startswith(b"<"):
        title = _TITLE.search(text)
        return _tidy(title[1].decode("utf-8", "replace") if title else _v1_message(text))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return _tidy(text.decode("utf-8", "replace"))
    return _tidy(_v2_message(data))


def _v1_message(text: bytes) -> str:
    try:
        value = xml.decode(text)
    except UnreadableAnswer:
        return ""
    if isinstance(value, dict):
        value = next((value[key] for key in ("msg", "message") if value.get(key)), None)
    return value if isinstance(value, str) else ""


def _v2_message(data: Any) -> str:
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        return ""
    said = next((data[key] for key in ("msg", "message", "error") if isinstance(data.get(key), str)), "")
    details = data.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and isinstance(detail.get("error"), str):
            field = f"{detail['field']}: " if isinstance(detail.get("field"), str) else ""
            said = f"{said}; {field}{detail['error']}" if said else f"{field}{detail['error']}"
    return said


def _tidy(text: str) -> str:
    """One line without control characters: it will stand on a terminal and in logs."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _TEXT_LIMIT else line[:_TEXT_LIMIT] + " …"


def json_body(answer: Answer, opening: bytes, *, whole: bool = True) -> bytes:
    """The body in UTF-8, when it looks like a JSON document of the expected kind. It is not parsed here.

    Args:
        answer: of the Portal.
        opening: ``b"{"`` or ``b"["``.
        whole: whether it must end as it began; otherwise whoever parses it sees to that.

    Raises:
        LoginPage: HTML.
        UnreadableAnswer: nothing, half a document, or something else.
    """
    body = in_utf8(answer.body)
    first = body[:1] if body[:1] == opening else body.lstrip()[:1]
    if first == b"<":
        raise LoginPage(
            f"HTML came as the answer to {answer.what}, where JSON was due: usually a login page."
        )
    if first == opening and (not whole or body.rstrip()[-1:] == {b"{": b"}", b"[": b"]"}[opening]):
        return body
    shape = f"{len(body)} bytes that are no whole JSON document" if body.strip() else "Nothing"
    raise UnreadableAnswer(f"{shape} came as the answer to {answer.what}.")


def json_object(answer: Answer) -> dict[str, Any]:
    """The answer as a JSON object.

    Raises:
        UnreadableAnswer: it is none.
    """
    try:
        data = json.loads(json_body(answer, b"{"))
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer(f"The answer to {answer.what} is not JSON: {error}.") from None
    assert isinstance(data, dict)
    return data


def xml_value(answer: Answer) -> xml.XMLValue:
    """The answer as a v1 value; ``None`` for an empty body.

    Raises:
        LoginPage: HTML.
        UnreadableAnswer: not the Portal's XML.
    """
    refuse_html(answer)
    text = answer.body.strip()
    if not text:
        return None
    try:
        return xml.decode(text)
    except UnreadableAnswer as error:
        raise UnreadableAnswer(f"{error} Asked: {answer.what}.") from None


def refuse_html(answer: Answer) -> None:
    """For v1 answers, whose body may be anything but a login page.

    Raises:
        LoginPage: HTML.
    """
    if is_html(answer.body):
        raise LoginPage(f"HTML came as the answer to {answer.what}, where XML was due: usually a login page.")


def is_login_form(body: bytes) -> bool:
    """Whether HTML asks for a password."""
    return re.search(rb"<form|type=.?password|login", body, re.IGNORECASE) is not None


def is_html(body: bytes) -> bool:
    """Whether a body begins as a web page does."""
    start = body.lstrip()[:9].lower()
    return start == b"<!doctype" or start.startswith((b"<html", b"<head", b"<body", b"<!--"))


def xml_object(answer: Answer) -> dict[str, xml.XMLValue]:
    """The answer as a v1 object.

    Raises:
        UnreadableAnswer: it is none.
    """
    value = xml_value(answer)
    if not isinstance(value, dict):
        raise UnreadableAnswer(f"No object came as the answer to {answer.what}.")
    return value
