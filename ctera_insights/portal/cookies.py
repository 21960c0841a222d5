"""What ``Set-Cookie`` headers ask for, read as tolerantly as by a browser.

The standard library's parser gives up at names and values that load balancers use, and would drop the session
cookie that stands beside them.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ctera_insights.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable


def cookies(headers: Iterable[str]) -> dict[str, Secret | None]:
    """Cookies by name; ``None`` where the header takes one away. What cannot be sent back is left out.

    >>> cookies(['JSESSIONID="AB=/+c"; Path=/; HttpOnly', "old=; Max-Age=0"])
    {'JSESSIONID': Secret('***'), 'old': None}
    """
    found: dict[str, Secret | None] = {}
    for header in headers:
        pair, *attributes = header.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        if name and equals and _can_be_sent(name) and _can_be_sent(value):
            found[name] = None if _is_over(attributes) else Secret(value)
    return found


def _can_be_sent(text: str) -> bool:
    return text.isascii() and (text.isprintable() or not text)


def _is_over(attributes: Iterable[str]) -> bool:
    told = {}
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        told[name.strip().lower()] = value.strip()
    if max_age := told.get("max-age"):  # it wins over Expires (RFC 6265, 5.3)
        return max_age == "0" or max_age.startswith("-")
    with contextlib.suppress(ValueError, OverflowError):
        expires = parsedate_to_datetime(told.get("expires", ""))
        return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)) <= datetime.now(UTC)
    return False
