"""What an answer means: done, session gone, refused, busy or unreadable, in the Portal's own words."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from ctera_insights.errors import PortalBusy, PortalRefused, SessionLost, UnreadableAnswer
from ctera_insights.portal import xml

if TYPE_CHECKING:
    from ctera_insights.portal.transport import Answer

_PASSING: Final = frozenset({408, 425, 429})
_TEXT_LIMIT: Final = 500
_TITLE: Final = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class LoginPage(UnreadableAnswer):
    """HTML where data was due. Most often a login page: the session is gone."""


def require_success(answer: Answer) -> None:
    """Return when the status is 2xx, else raise what it means.

    Raises:
        SessionLost: 401, or a redirect to anywhere but the same path.
        PortalBusy: 408, 425, 429, 5xx.
        PortalRefused: any other status.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED:
        raise _redirected(answer)
    message = server_message(answer.body)
    text = f"The Portal answered {_name(status)} to {answer.what}" + (f": {message}" if message else ".")
    if status == HTTPStatus.UNAUTHORIZED:
        raise SessionLost(text)
    if status >= 500 or status in _PASSING:
        raise PortalBusy(text, status=status, message=message, retry_after_s=answer.retry_after_s)
    raise PortalRefused(text, status=status, message=message, retry_after_s=answer.retry_after_s)


def _redirected(answer: Answer) -> SessionLost | PortalRefused:
    asked = URL(answer.what.partition(" ")[2], encoded=True)
    if not answer.location:
        return SessionLost(
            f"The Portal answered {answer.what} with a redirect to nowhere: the session is gone."
        )
    try:
        target = asked.join(URL(answer.location))
        # Query and user part may hold tokens of a single sign-on; they are not shown.
        place = str(target.origin())
    except ValueError:
        return SessionLost(f"The Portal redirected {answer.what} to an invalid address: the session is gone.")
    if target.path.rstrip("/") == asked.path.rstrip("/") and target.origin() != asked.origin():
        return PortalRefused(
            f"The Portal redirected {answer.what} to {place}. Use that address.", status=answer.status
        )
    return SessionLost(f"The Portal redirected {answer.what} to {place}{target.path}: the session is gone.")


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


def json_body(answer: Answer, opening: bytes) -> bytes:
    """The body, when it looks like a whole JSON document of the expected kind. It is not parsed here.

    Args:
        answer: of the Portal.
        opening: ``b"{"`` or ``b"["``.

    Raises:
        LoginPage: HTML.
        UnreadableAnswer: nothing, half a document, or something else.
    """
    body = answer.body
    first = body[:1] if body[:1] == opening else body.lstrip()[:1]
    if first == b"<":
        raise LoginPage(
            f"HTML came as the answer to {answer.what}, where JSON was due: usually a login page."
        )
    if first == opening and body.rstrip()[-1:] == {b"{": b"}", b"[": b"]"}[opening]:
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
    start = answer.body.lstrip()[:9].lower()
    if start == b"<!doctype" or start.startswith(b"<html"):
        raise LoginPage(f"HTML came as the answer to {answer.what}, where XML was due: usually a login page.")


def xml_object(answer: Answer) -> dict[str, xml.XMLValue]:
    """The answer as a v1 object.

    Raises:
        UnreadableAnswer: it is none.
    """
    value = xml_value(answer)
    if not isinstance(value, dict):
        raise UnreadableAnswer(f"No object came as the answer to {answer.what}.")
    return value
