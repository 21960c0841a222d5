"""A page of the feed, from the bytes of the wire to Arrow columns.

The fast path decodes a well-formed page in one call. A page that it refuses is read again entry by entry
(:mod:`ctera_insights.portal.entries`), and one that is no sound JSON is first taken apart without a decoder
(:mod:`ctera_insights.portal.scan`). A key that this version does not know, or a value that its column cannot
hold, goes to ``extra``; what is no entry is set aside as a :class:`Reject`, byte for byte. Nothing that the
Portal sent is dropped, and whatever one entry holds, the others are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self

import msgspec

from ctera_insights.errors import UnreadableAnswer
from ctera_insights.model import Event, wire_schema
from ctera_insights.portal.entries import TIMES, Entry, NotEmpty, extra_text, flag, read_entry, read_value
from ctera_insights.portal.scan import Piece, in_utf8, outline
from ctera_insights.portal.standstill import content_key, key_of
from ctera_insights.values import EARLIEST_US, LATEST_US, moment

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Reject:
    """An entry that cannot be read: its place in the page, why, and its bytes."""

    position: int
    reason: str
    raw: bytes


LONGEST_CURSOR: Final = 1 << 20
"""Characters; a cursor is kept with every batch, and real ones have some hundreds."""


class _WellFormed(msgspec.Struct, gc=False):
    has_more: bool
    cursor: Annotated[NotEmpty, msgspec.Meta(max_length=LONGEST_CURSOR)]
    entries: list[Entry]


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
_REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""How the decoder says that a page is not what it looks for."""


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
    _entries: list[Entry]
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
            [extra_text(extras[row]) if row in extras else None for row in range(len(self))]
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
    key: str = ""
    """Tells its entries from others, see :mod:`ctera_insights.portal.standstill`."""

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Find cursor and ``has_more`` without reading the entries.

        The text is scanned to its end all the same, so a body cut short anywhere does not pass. What passes
        can be decoded: :func:`decode_page` refuses nothing of it as a whole.

        Raises:
            UnreadableAnswer: the body is not a page.
        """
        page = cls.read_sound(body)
        if page is None:
            found = _taken_apart(body)
            raws = [raw for raw, _ in found.pieces]
            key = content_key(*raws[:16], *raws[-16:], size=len(raws))
            page = cls(body, found.cursor, found.has_more, not raws, key)
        return page

    @classmethod
    def read_sound(cls, body: bytes) -> Self | None:
        """As :meth:`read`, and quick about it; ``None`` for what is no sound JSON, which takes longer.

        Raises:
            UnreadableAnswer: the body is not a page.
        """
        try:
            head = _head.decode(body)
        except _REFUSED:
            return None
        beginning = bytes(memoryview(head.entries)[:64])
        if not beginning.startswith(b"["):
            raise UnreadableAnswer("The Portal sent a page without a list of entries.")
        empty = not beginning[1:].strip().removesuffix(b"]")
        key = key_of(memoryview(head.entries))
        return cls(body, _cursor(head.cursor), _has_more(head.has_more), empty, key)


def decode_page(body: bytes) -> Page:
    """Read one body of ``metadata/list``.

    Raises:
        UnreadableAnswer: the body is not a page at all (its entries may still be anything).
    """
    try:
        page = _well_formed.decode(body)
    except _REFUSED:
        return _decode_by_entry(body)
    return Page(page.cursor, page.has_more, [], page.entries, {})


def _decode_by_entry(body: bytes) -> Page:
    page = _in_pieces(body)
    entries: list[Entry] = []
    extras: dict[int, dict[str, Any]] = {}
    rejects: list[Reject] = []
    for position, (raw, fault) in enumerate(page.pieces):
        entry, extra_or_reason = (None, fault) if fault else read_entry(raw)
        if entry is None:
            rejects.append(Reject(position, str(extra_or_reason), raw))
            continue
        if isinstance(extra_or_reason, dict) and extra_or_reason:
            extras[len(entries)] = extra_or_reason
        entries.append(entry)
    return Page(page.cursor, page.has_more, rejects, entries, extras)


class _Pieces(NamedTuple):
    cursor: str
    has_more: bool
    pieces: list[Piece]


def _in_pieces(body: bytes) -> _Pieces:
    try:
        page = _any_page.decode(body)
    except _REFUSED:
        return _taken_apart(body)
    pieces = [Piece(bytes(raw), "") for raw in page.entries]
    return _Pieces(_cursor(page.cursor), _has_more(page.has_more), pieces)


def _taken_apart(body: bytes) -> _Pieces:
    found = outline(in_utf8(body), lambda raw: read_entry(raw)[0] is not None)
    try:
        cursor, has_more = read_value(found.cursor), read_value(found.has_more)
    except (ValueError, RecursionError) as error:
        raise UnreadableAnswer(f"The Portal sent a page without a usable cursor: {error}.") from None
    return _Pieces(_cursor(cursor), _has_more(has_more), found.pieces)


def _cursor(value: Any) -> str:
    if type(value) is not str or not value:
        raise UnreadableAnswer(f"The Portal sent a page without a usable cursor: {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UnreadableAnswer("The Portal sent a page whose cursor is not Unicode.") from None
    if len(value) > LONGEST_CURSOR:
        raise UnreadableAnswer(f"The Portal sent a page whose cursor has {len(value):,} characters.")
    return value


def _has_more(value: Any) -> bool:
    """The Portal's word that there is more; ``null`` is taken as no, as the long-poll knows better."""
    more = flag(value)
    if more is None and value is not None:
        raise UnreadableAnswer("The Portal sent a page that does not say whether there is more.")
    return bool(more)


def _times(texts: list[str | None], name: str, extras: dict[int, dict[str, Any]]) -> pa.Array:
    """One time column; text that a microsecond UTC time cannot hold is kept in ``extras`` as well."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.timestamp("us", "UTC")
    try:
        # Arrow takes a part of what moment() takes, and beyond the years that a column holds.
        column = pc.cast(pa.array(texts, pa.string()), kind)
    except pa.ArrowInvalid:
        pass
    else:
        ends = pc.min_max(column.cast(pa.int64())).as_py()
        if ends["min"] is None or EARLIEST_US <= ends["min"] <= ends["max"] <= LATEST_US:
            return column
    times: list[datetime | None] = []
    for row, text in enumerate(texts):
        time, exact = moment(text) if text is not None else (None, True)
        if not exact:
            extras[row] = {name: text, **extras.get(row, {})}
        times.append(time)
    return pa.array(times, kind)
