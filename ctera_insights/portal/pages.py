"""A page of the feed, from the bytes of the wire to Arrow columns.

The fast path decodes a well-formed page in one call. A page that it refuses is read again entry by entry: a
key that this version does not know, or a value that its column cannot hold, goes to ``extra``; an entry
without an identity is set aside as a :class:`Reject`, byte for byte. Nothing that the Portal sent is dropped.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import msgspec

from ctera_insights.errors import UnreadableAnswer
from ctera_insights.model import Event, wire_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

TIMES: Final = frozenset({"file_timestamp", "portal_modified_date"})
_INT64: Final = range(-(2**63), 2**63)
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_NotEmpty = Annotated[str, msgspec.Meta(min_length=1)]
_Int64 = Annotated[int, msgspec.Meta(ge=_INT64.start, le=_INT64.stop - 1)]


@dataclass(frozen=True, slots=True)
class Reject:
    """An entry that cannot be read: its place in the page, why, and its bytes."""

    position: int
    reason: str
    raw: bytes


class _Entry(msgspec.Struct, forbid_unknown_fields=True, gc=False, kw_only=True):
    """Fields in the order of the wire, which is how the decoder looks for the next one."""

    type: str | None = None
    guid: _NotEmpty
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


class _WellFormed(msgspec.Struct, gc=False):
    has_more: bool
    cursor: _NotEmpty
    entries: list[_Entry]


class _Head(msgspec.Struct, gc=False):
    has_more: Any
    cursor: Any
    entries: msgspec.Raw


class _AnyPage(msgspec.Struct, gc=False):
    has_more: Any
    cursor: Any
    entries: list[msgspec.Raw]


_well_formed: Final = msgspec.json.Decoder(_WellFormed)
_head: Final = msgspec.json.Decoder(_Head)
_any_page: Final = msgspec.json.Decoder(_AnyPage)


@dataclass(frozen=True, slots=True, repr=False)
class Page:
    """One answer of ``metadata/list``.

    Attributes:
        cursor: where the next page begins.
        has_more: whether the Portal has more to list at once.
        rejects: entries that could not be read.
    """

    cursor: str
    has_more: bool
    rejects: list[Reject]
    _entries: list[_Entry]
    _extras: dict[int, dict[str, Any]]

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Page({len(self)} events, {len(self.rejects)} rejects, has_more={self.has_more})"

    def events(self) -> list[Event]:
        """The readable entries as objects, times as the Portal wrote them."""
        return [
            Event(
                entry.type,
                entry.guid,
                bool(entry.deleted),
                entry.name,
                entry.folder_id,
                entry.parent_guid,
                entry.id,
                entry.size,
                entry.file_timestamp,
                entry.portal_modified_date,
                entry.virtual_portal_id,
                entry.acl,
                entry.gvsn,
                self._extras.get(row, {}),
            )
            for row, entry in enumerate(self._entries)
        ]

    def table(self) -> pa.Table:
        """The readable entries in columns, by :func:`ctera_insights.model.wire_schema`."""
        import pyarrow as pa

        if not self._entries:
            return wire_schema().empty_table()
        extras: dict[int, dict[str, Any]] = dict(self._extras)
        entries = self._entries
        # Spelled out: a look-up by attribute name costs as much as the conversion to Arrow.
        values: dict[str, list[Any]] = {
            "type": [entry.type for entry in entries],
            "guid": [entry.guid for entry in entries],
            "deleted": [entry.deleted for entry in entries],
            "name": [entry.name for entry in entries],
            "folder_id": [entry.folder_id for entry in entries],
            "parent_guid": [entry.parent_guid for entry in entries],
            "id": [entry.id for entry in entries],
            "size": [entry.size for entry in entries],
            "file_timestamp": [entry.file_timestamp for entry in entries],
            "portal_modified_date": [entry.portal_modified_date for entry in entries],
            "virtual_portal_id": [entry.virtual_portal_id for entry in entries],
            "acl": [entry.acl for entry in entries],
            "gvsn": [entry.gvsn for entry in entries],
        }
        columns = [
            _times(values[field.name], field.name, extras)
            if field.name in TIMES
            else pa.array(values[field.name], field.type)
            for field in wire_schema()
            if field.name != "extra"
        ]
        texts = (
            [_extra_text(extras[row]) if row in extras else None for row in range(len(self))]
            if extras
            else None
        )
        columns.append(pa.array(texts, pa.string()) if texts else pa.nulls(len(self), pa.string()))
        return pa.Table.from_arrays(columns, schema=wire_schema())


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as it came, and what the next request depends on."""

    body: bytes
    cursor: str
    has_more: bool
    empty: bool = False

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Find cursor and ``has_more`` without reading the entries.

        The text is scanned to its end all the same, so a body cut short anywhere does not pass.

        Raises:
            UnreadableAnswer: the body is not a page.
        """
        try:
            head = _head.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            page = _decode_leniently(body)
            return cls(body, _cursor(page.cursor), bool(page.has_more), not page.entries)
        beginning = bytes(memoryview(head.entries)[:64])
        if not beginning.startswith(b"["):
            raise UnreadableAnswer("The Portal sent a page without a list of entries.")
        empty = not beginning[1:].strip().removesuffix(b"]")
        return cls(body, _cursor(head.cursor), bool(head.has_more), empty)


def decode_page(body: bytes) -> Page:
    """Read one body of ``metadata/list``.

    Raises:
        UnreadableAnswer: the body is not a page at all (its entries may still be anything).
    """
    try:
        page = _well_formed.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_by_entry(body)
    return Page(page.cursor, page.has_more, [], page.entries, {})


def _decode_by_entry(body: bytes) -> Page:
    try:
        page = _any_page.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        page = _decode_leniently(body)
    entries: list[_Entry] = []
    extras: dict[int, dict[str, Any]] = {}
    rejects: list[Reject] = []
    for position, raw in enumerate(page.entries):
        entry, extra_or_reason = _read_entry(bytes(raw))
        if entry is None:
            rejects.append(Reject(position, str(extra_or_reason), bytes(raw)))
            continue
        if isinstance(extra_or_reason, dict) and extra_or_reason:
            extras[len(entries)] = extra_or_reason
        entries.append(entry)
    return Page(_cursor(page.cursor), bool(page.has_more), rejects, entries, extras)


def _cursor(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UnreadableAnswer(f"The Portal sent a page without a usable cursor: {type(value).__name__}.")
    return value


def _decode_leniently(body: bytes) -> _AnyPage:
    """Read a page whose text is not valid Unicode; its entries come back re-encoded in ASCII."""
    try:
        data = json.loads(body.decode("utf-8", "surrogateescape"))
        entries = [msgspec.Raw(json.dumps(entry).encode("ascii")) for entry in data["entries"]]
        return _AnyPage(data["has_more"], data["cursor"], entries)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        head = body[:60].decode("utf-8", "replace")
        raise UnreadableAnswer(
            f"The Portal's answer is not a page of events: {error}; {len(body)} bytes, beginning {head!r}."
        ) from None


def _read_entry(raw: bytes) -> tuple[_Entry | None, dict[str, Any] | str]:
    try:
        data = json.loads(raw.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {error}"
    if not isinstance(data, dict):
        return None, f"not an object but {type(data).__name__}"
    if (
        isinstance(data.get("guid"), bool)
        or not isinstance(data.get("guid"), str | int)
        or data["guid"] == ""
    ):
        return None, "no guid"
    entry = _Entry(guid="")
    extra: dict[str, Any] = {}
    for key, value in data.items():
        convert = _CONVERT.get(key)
        if convert is None:
            extra[key] = value
            continue
        if value is None:
            continue
        converted = convert(value)
        if converted is None or (convert is _text and isinstance(value, str) and converted != value):
            extra[key] = value
        if converted is not None:
            setattr(entry, key, converted)
    if entry.portal_modified_date is None and isinstance(extra.get("modified"), str | None):
        entry.portal_modified_date = extra.pop("modified", None)
    return entry, extra


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value in _INT64 else None


def _boolean(value: Any) -> bool | None:
    return {True: True, False: False, "true": True, "false": False}.get(value) if value.__hash__ else None


_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(_Entry.__struct_fields__, _text),
    **dict.fromkeys(("folder_id", "id", "size"), _integer),
    "deleted": _boolean,
}


def _times(texts: list[str | None], name: str, extras: dict[int, dict[str, Any]]) -> pa.Array:
    """One time column; text that a microsecond UTC time cannot hold is kept in ``extras`` as well."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.timestamp("us", "UTC")
    try:
        return pc.cast(pa.array(texts, pa.string()), kind)
    except pa.ArrowInvalid:
        times = []
        for row, text in enumerate(texts):
            time, exact = _time(text)
            if not exact:
                extras[row] = {**extras.get(row, {}), name: text}
            times.append(time)
        return pa.array(times, kind)


def _time(text: str | None) -> tuple[datetime | None, bool]:
    """A time in UTC (text without a zone is taken as UTC), and whether nothing of the text was lost."""
    if text is None:
        return None, True
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None, False
    fraction = text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0]
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC), not fraction[6:].strip("0")
    except OverflowError:
        return None, False


def _extra_text(extra: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(extra).decode()
    except (UnicodeEncodeError, msgspec.EncodeError, TypeError, OverflowError):
        return json.dumps(extra)
