"""Text as it may be shown: nothing in it moves the cursor, turns the line, or hides; and times as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_UNSEEN: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, the escape of terminals among them
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # hyphens and fillers that nobody sees
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of what follows
    "\u200b-\u200d\u2028\u2029\u2060-\u2065\u206a-\u206f"  # no width, or a new line
    "\ufeff\ufff9-\ufffb"  # a byte order mark in the middle, annotations
    "\ud800-\udfff"  # half a character
    "\U000e0000-\U000e007f"  # tags
    "]"
)
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str, *, keep: str = "") -> str:
    r"""A text with its control, bidirectional, zero-width and half characters as escapes, all else as it is.

    For showing only: what is exported stays as it was collected. The page of a widget follows the same rule
    in ``visible`` of ``widgets/js/src/text.js``.

    Args:
        text: from a Portal, a file, a library.
        keep: characters to leave, such as ``"\n"`` in a message of several lines.

    Example:
        >>> print(visible("invoice\u202excod.exe"), visible("a\x1b[31m\n"))
        invoice\u202excod.exe a\x1b[31m\n
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def to_minutes(when: datetime) -> str:
    """A moment as people read it, to the minute, in its own zone; the year has four digits on every system.

    >>> from datetime import datetime
    >>> to_minutes(datetime(1, 2, 3, 4, 5, 6))
    '0001-02-03 04:05'
    """
    return when.replace(tzinfo=None).isoformat(" ", "minutes")


def to_seconds(when: datetime) -> str:
    """The same, to the second."""
    return when.replace(tzinfo=None).isoformat(" ", "seconds")
