"""File names as bytes, shown as text that the wire can carry."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container


def visible(raw: bytes, taken: Container[str]) -> str:
    """Give a name as UTF-8 text.

    Bytes that are not UTF-8 become U+FFFD. Where two names of one directory would look the same by that, the
    later one shows its odd bytes in hexadecimal, with a number behind it when even that is taken.

    Args:
        raw: the name as the file system or the repository has it.
        taken: the names that its siblings show.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
        if text in taken:
            text = raw.decode("utf-8", "backslashreplace")
    if text not in taken:
        return text
    return next(numbered for n in count(2) if (numbered := f"{text} ({n})") not in taken)
