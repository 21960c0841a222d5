"""One entry that the fast path refused: each value goes to its column, or to ``extra`` as it came."""

from __future__ import annotations

import contextlib
import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from ctera_insights.portal.scan import depth
from ctera_insights.values import INT64, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES: Final = frozenset({"file_timestamp", "portal_modified_date"})
DEEPEST: Final = 64
"""Levels of brackets in an entry; any reader of ``extra`` can follow so many."""
_EXACT_DIGITS: Final = 40
"""Digits of a whole number that is kept as a number; Python itself refuses thousands."""
_DELICATE: Final = re.compile(rb'(?:"[ \t\r\n]*:|[\[,])[ \t\r\n]*-?(?:[0-9]+[.eE]|[0-9]{18}|[NI])')
"""A number that a decoder may round; in a text, what looks like one only costs time."""
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")

NotEmpty = Annotated[str, msgspec.Meta(min_length=1)]
_Int64 = Annotated[int, msgspec.Meta(ge=INT64.start, le=INT64.stop - 1)]


class Entry(msgspec.Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    """Fields in the order of the wire, which is how the decoder looks for the next one."""

    type: str | None = None
    guid: NotEmpty
    folder_id: _Int64 | None = None
    deleted: bool | None = None
    name: str | None = None
    file_timestamp: str | None = None
    portal_modified_date: str | None = None
    virtual_portal_id: str | None = None
    size: _Int64 | None = None
    id: _Int64 | None = None
    acl: str | None = None
    gvsn: str | None = None
    parent_guid: str | None = None


class Verbatim(str):
    """A number of the wire that no Python number equals, in the wire's own letters."""

    __slots__ = ()


def read_entry(raw: bytes) -> tuple[Entry | None, dict[str, Any] | str]:
    """Read one entry: its columns and what is ``extra``, or ``None`` and the reason why it is none."""
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and depth(raw) > DEEPEST:
        return None, f"nested more than {DEEPEST} levels deep"
    try:
        data = read_value(raw)
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {error}"
    if not isinstance(data, dict):
        return None, f"not an object but {type(data).__name__}"
    guid = _text(data.get("guid"))
    if not guid:
        return None, "no guid"
    entry = Entry(guid=guid)
    return entry, _fill(entry, data)


def _fill(entry: Entry, data: dict[str, Any]) -> dict[str, Any]:
    """Set the columns of an entry, and give what they do not hold."""
    extra: dict[str, Any] = {}
    for key, value in data.items():
        convert = _CONVERT.get(key)
        if convert is None:
            extra[key] = value
            continue
        if value is None:
            continue
        converted = convert(value)
        if converted is None or (type(value) is str is type(converted) and converted != value):
            extra[key] = value
        if converted is not None:
            setattr(entry, key, converted)
    modified = _moment_text(extra.get("modified"))
    if entry.portal_modified_date is None and (modified is not None or extra.get("modified") is None):
        entry.portal_modified_date = modified
        if extra.get("modified") == modified:
            extra.pop("modified", None)
    return extra


def read_value(raw: bytes) -> Any:
    """A JSON value; bytes that are no UTF-8 become lone surrogates, odd numbers :class:`Verbatim`.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deep.
    """
    if _DELICATE.search(raw) is None:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(raw)
    return _READER.decode(raw.decode("utf-8", "surrogateescape"))


def flag(value: Any) -> bool | None:
    """Whether a value says yes or no; ``None`` when it says neither.

    >>> flag("False"), flag(1), flag("yes")
    (False, True, None)
    """
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return bool(value) if isinstance(value, bool | int | float) and value in {0, 1} else None


def extra_text(extra: dict[str, Any]) -> str:
    """What is extra as JSON that every reader takes: what is no Unicode is written as a visible escape."""
    with contextlib.suppress(UnicodeEncodeError, TypeError, OverflowError):
        return msgspec.json.encode(extra).decode()
    return json.dumps(_in_unicode(extra), ensure_ascii=False)


def _in_unicode(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub(_escape, value)
    if isinstance(value, dict):
        return {_in_unicode(key): _in_unicode(each) for key, each in value.items()}
    return [_in_unicode(each) for each in value] if isinstance(value, list) else value


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _whole(text: str) -> int | Verbatim:
    return int(text) if len(text) <= _EXACT_DIGITS else Verbatim(text)


def _fraction(text: str) -> float | Verbatim:
    number = float(text)
    with contextlib.suppress(InvalidOperation):
        if math.isfinite(number) and Decimal(text) == Decimal(repr(number)):
            return number
    return Verbatim(text)


# Not strict: a raw control character in a string is a fault of the writer, and no doubt for the reader.
_READER: Final = json.JSONDecoder(
    strict=False, parse_int=_whole, parse_float=_fraction, parse_constant=Verbatim
)


def _text(value: Any) -> str | None:
    if type(value) is str:  # a Verbatim is none
        return value if value.isascii() else _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _moment_text(value: Any) -> str | None:
    return _text(value) if type(value) is str else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str):
        return None if isinstance(value, Verbatim) else whole_number(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value in INT64 else None


_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(Entry.__struct_fields__, _text),
    **dict.fromkeys(TIMES, _moment_text),
    **dict.fromkeys(("folder_id", "id", "size"), _integer),
    "deleted": flag,
}
