"""A page whose text is not sound JSON, taken apart into its entries without believing any of them.

It is used only where a decoder has refused the page: one entry may be broken, and must not take the others
with it. Brackets and strings tell where an entry ends. Where they do not, reading goes on at the next place
where a whole entry stands, and the bytes in between are set aside. Nothing here recurses, so nothing is
nested too deep; nothing is copied but the pieces.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from ctera_insights.errors import UnreadableAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

_CUT: Final = -1
"""The text ends before the value does."""
_BROKEN: Final = -2
"""A bracket that closes another, or a quote where no string can begin or end."""

_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_BETWEEN: Final = re.compile(rb"[ \t\r\n,]*")
# A string counts only where something follows that can follow one; a quote alone tells of a broken one.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(?=[ \t\r\n]*(?:[,:\]}]|\Z))', re.DOTALL)
_TOKEN: Final = re.compile(rb"[\[\]{}]|" + _STRING.pattern + rb'|"', re.DOTALL)
_SCALAR: Final = re.compile(rb'[^ \t\r\n,\[\]{}"]+')
_OBJECT: Final = re.compile(rb'\{[ \t\r\n]*"')
_CLOSERS: Final = {0x5B: 0x5D, 0x7B: 0x7D}  # [ ]  { }
_CLOSINGS_TRIED: Final = 64
_GAP_BYTES: Final = 64
"""White space that is looked past on the way back."""
_EFFORT: Final = 16
"""How many times the length of the page may be scanned in search of where to go on."""


class Piece(NamedTuple):
    """A part of the list of entries.

    Attributes:
        raw: its bytes.
        fault: why it is no entry, or empty.
    """

    raw: bytes
    fault: str


class Outline(NamedTuple):
    """A page taken apart: the text of its cursor and ``has_more``, and its entries."""

    cursor: bytes
    has_more: bytes
    pieces: list[Piece]


def in_utf8(body: bytes) -> bytes:
    """A JSON text in UTF-8 without a byte order mark, from any of the encodings that JSON ever had.

    >>> in_utf8("{}".encode("utf-16"))
    b'{}'
    """
    encoding = json.detect_encoding(body)
    if encoding == "utf-8":
        return body
    if encoding == "utf-8-sig":
        return body[3:]
    try:
        text = body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return body
    return text.removeprefix("\ufeff").encode("utf-8", "surrogatepass")


def outline(body: bytes, is_entry: Callable[[bytes], bool]) -> Outline:
    """Take a page apart.

    Args:
        body: in UTF-8, as far as it is text at all.
        is_entry: whether some bytes are a whole entry beyond doubt; reading goes on at one.

    Raises:
        UnreadableAnswer: it is no page, or cut short, or its cursor cannot be told for certain.
    """
    return _Scan(body, is_entry).outline()


def depth(raw: bytes) -> int:
    """How deep the brackets of a text are nested."""
    deepest = level = 0
    for token in _TOKEN.finditer(raw):
        if token[0] in {b"[", b"{"}:
            level += 1
            deepest = max(deepest, level)
        elif token[0] in {b"]", b"}"}:
            level -= 1
    return deepest


class _Members(NamedTuple):
    values: dict[bytes, bytes]
    end: int
    at_entries: bool


class _Scan:
    def __init__(self, text: bytes, is_entry: Callable[[bytes], bool]) -> None:
        self.text = text
        self.is_entry = is_entry
        self.effort = _EFFORT * len(text)
        self.head: dict[bytes, bytes] = {}
        self._closing: int | None = None

    def outline(self) -> Outline:
        text = self.text
        start = self._skip(0)
        if text[start : start + 1] != b"{":
            raise self._no_page("it is no JSON object")
        head = self._members(start + 1)
        if head is None or not head.at_entries:
            raise self._no_page("it holds no list of entries that can be read")
        self.head = head.values
        pieces, end = self._entries(head.end)
        tail = self._tail(end)
        assert tail is not None  # it was found before the list was taken to end there
        rest = text[tail.end :].strip()
        if rest:
            pieces.append(Piece(rest, "behind the end of the page"))
        known = head.values | tail.values
        return Outline(known[b"cursor"], known[b"has_more"], pieces)

    def _no_page(self, why: str) -> UnreadableAnswer:
        shown = self.text[:60].decode("utf-8", "replace")
        return UnreadableAnswer(
            f"The Portal's answer is not a page of events: {why}; "
            f"{len(self.text)} bytes, beginning {shown!r}."
        )

    def _skip(self, at: int, what: re.Pattern[bytes] = _SPACE) -> int:
        found = what.match(self.text, at)
        assert found is not None
        return found.end()

    def _end(self, at: int) -> int:
        """Where the value that begins here ends, or ``_CUT`` or ``_BROKEN``."""
        text = self.text
        if text[at] not in _CLOSERS:
            scalar = (_STRING if text[at] == 0x22 else _SCALAR).match(text, at)
            return scalar.end() if scalar else _BROKEN
        due = bytearray()
        for token in _TOKEN.finditer(text, at):
            first = text[token.start()]
            if first in _CLOSERS:
                if due and due[-1] == 0x7D and self._last_before(token.start()) != b":":
                    return _BROKEN  # a key is due in an object
                due.append(_CLOSERS[first])
            elif first == 0x22:
                if token.end() - token.start() == 1:
                    return _BROKEN
            else:
                if due.pop() != first:
                    return _BROKEN
                if not due:
                    return token.end()
        return _CUT

    def _members(self, at: int) -> _Members | None:
        """Members of the page from here to its list of entries, or to its end; ``None``: it is not so."""
        text = self.text
        values: dict[bytes, bytes] = {}
        while True:
            at = self._skip(at, _BETWEEN)
            if text[at : at + 1] == b"}":
                return _Members(values, at + 1, at_entries=False)
            key = _STRING.match(text, at)
            if key is None:
                return None
            at = self._skip(key.end())
            if text[at : at + 1] != b":":
                return None
            at = self._skip(at + 1)
            if key[0] == b'"entries"':
                return _Members(values, at + 1, at_entries=True) if text[at : at + 1] == b"[" else None
            end = self._end(at) if at < len(text) else _CUT
            name = key[0][1:-1]
            if end < 0 or name in values:
                return None
            values[name] = text[at:end]
            at = self._skip(end)
            if text[at : at + 1] not in {b",", b"}"}:
                return None

    def _tail(self, at: int, *, to_the_end: bool = False) -> _Members | None:
        """What follows the list of entries, if it can be the end of a page and nothing of it is in doubt."""
        at = self._skip(at)
        if self.text[at : at + 1] not in {b",", b"}"}:
            return None
        tail = self._members(at)
        if tail is None or tail.at_entries or not tail.values.keys().isdisjoint(self.head):
            return None
        if not {b"cursor", b"has_more"} <= tail.values.keys() | self.head.keys():
            return None
        behind = self.text[tail.end :].lstrip()
        if behind.startswith(b",") or (to_the_end and behind):
            return None
        return tail

    def _entries(self, at: int) -> tuple[list[Piece], int]:
        """The entries of the list that begins here, and where it ends."""
        text = self.text
        pieces: list[Piece] = []
        while True:
            at = self._skip(at, _BETWEEN)
            if at >= len(text):
                raise self._no_page("it is cut short")
            if text[at] == 0x5D and self._tail(at + 1) is not None:
                return pieces, at + 1
            end = self._end(at)
            if end == _CUT or self._skip(max(end, 0)) == len(text):
                raise self._no_page("it is cut short")
            if end >= 0 and self._ends_well(end):
                pieces.append(Piece(text[at:end], ""))
                at = end
                continue
            go_on = self._go_on(at)
            pieces.append(
                Piece(text[at:go_on].rstrip(b" \t\r\n,"), "not JSON: it cannot be told where it ends")
            )
            at = go_on

    def _last_before(self, at: int) -> bytes:
        return self.text[max(0, at - _GAP_BYTES) : at].rstrip()[-1:]

    def _ends_well(self, end: int) -> bool:
        at = self._skip(end)
        return self.text[at : at + 1] in {b",", b"]"} or _OBJECT.match(self.text, at) is not None

    def _go_on(self, at: int) -> int:
        """Where to go on behind a broken entry: at the next whole one, or at the end of the list."""
        closing = self._find_closing()
        if closing < at:
            raise self._no_page("an entry is broken, and the end of the list cannot be told")
        for found in _OBJECT.finditer(self.text, at + 1, closing):
            if self.effort < 0:
                break
            start = found.start()
            if self._last_before(start) not in {b",", b"}"}:
                continue
            end = self._end(start)
            self.effort -= (end if end >= 0 else len(self.text)) - start
            if end >= 0 and self._ends_well(end) and self.is_entry(self.text[start:end]):
                return start
        return closing

    def _find_closing(self) -> int:
        """The bracket that closes the list, seen from the end of the page; -1 when none can be it."""
        if self._closing is None:
            self._closing = -1
            at = len(self.text)
            for _ in range(_CLOSINGS_TRIED):
                at = self.text.rfind(b"]", 0, at)
                if at < 0:
                    break
                if self._tail(at + 1, to_the_end=True) is not None:
                    self._closing = at
        return self._closing
