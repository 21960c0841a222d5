"""A page that is no sound JSON costs the broken entry, byte for byte, and nothing else."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctera_insights.errors import UnreadableAnswer
from ctera_insights.model import wire_schema
from ctera_insights.portal.pages import Page, RawPage, decode_page

HEADS = [b'{"has_more":true,"cursor":"c","entries":[', b'{"entries": [ ']
TAILS = [b"]}", b'], "cursor" : "c", "has_more" : true, "more": [{"x": [1, "]}"]}] }']
BEFORE, BEHIND = b'{"guid":"before","name":"a\\"},{\\"b"}', b'{ "guid":"behind", "extra":[{"guid":"inner"}] }'

BROKEN = {
    "no closing quote": b'{"guid":"x","name":"abc}',
    "no closing quote inside": b'{"guid":"x","name":"abc,"size":5}',
    "no opening quote": b'{"guid":"x","name":abc","size":5}',
    "a backslash before the quote": b'{"guid":"x","name":"C:\\dir\\","size":5}',
    "no closing brace": b'{"guid":"x","size":5',
    "an inner brace not closed": b'{"guid":"x","more":{"y":1}',
    "an inner bracket not closed": b'{"guid":"x","more":[1,2}',
    "one brace too many": b'{"guid":"x"}}',
    "one bracket too many": b'{"guid":"x"]}',
    "another brace in front": b'{{"guid":"x"}',
    "no colon": b'{"guid" "x"}',
    "no value": b'{"guid":"x","size":}',
    "a trailing comma": b'{"guid":"x","size":5,}',
    "an octal number": b'{"guid":"x","size":007}',
    "a hexadecimal number": b'{"guid":"x","size":0x1F}',
    "single quotes": b"{'guid':'x'}",
    "a bad escape": b'{"guid":"x","name":"\\x41"}',
    "half an escape": b'{"guid":"x","name":"\\u12"}',
    "bare words": b"undefined",
    "NUL bytes": b"\0\0\0\0",
    "5,000 lists": b'{"guid":"x","more":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "200,000 objects": b'{"guid":"x","more":' + b'{"y":' * 200_000 + b"1" + b"}" * 200_000 + b"}",
    "200,000 lists that never end": b'{"guid":"x","more":' + b"[" * 200_000,
}


def in_page(*entries: bytes, head: bytes = HEADS[0], tail: bytes = TAILS[0]) -> bytes:
    return head + b",".join(entries) + tail


def whole(page: Page) -> list[tuple[str, int]]:
    """What the page says, in order of its places: events and rejects together make all of it."""
    assert page.table().schema == wire_schema()
    assert len(page.table()) == len(page) == len(page.events())
    return [(event.guid, position) for position, event in enumerate(page.events())]


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize(
    ("head", "tail"), [(HEADS[0], TAILS[0]), (HEADS[1], TAILS[1])], ids=["first", "last"]
)
def test_a_broken_entry_costs_itself(broken: bytes, head: bytes, tail: bytes) -> None:
    """Wherever it stands, and wherever the cursor does."""
    for entries in ([BEFORE, broken, BEHIND], [broken, BEFORE, BEHIND], [BEFORE, BEHIND, broken], [broken]):
        body = in_page(*entries, head=head, tail=tail)
        raw, page = RawPage.read(body), decode_page(body)
        assert (raw.cursor, raw.has_more, raw.empty) == ("c", True, False)
        assert (page.cursor, page.has_more) == ("c", True)
        assert [e.guid for e in page.events()] == [
            json.loads(entry)["guid"] for entry in entries if entry is not broken
        ]
        (reject,) = page.rejects
        assert reject.raw.strip(b"\0 ") == broken.strip(b"\0 ")
        assert reject.position == entries.index(broken)
        assert reject.reason


def test_several_broken_entries_cost_themselves() -> None:
    """Two lost quotes make the text between them look quoted."""
    good = [b'{"guid":"%d"}' % n for n in range(3)]
    short = [broken for broken in BROKEN.values() if len(broken) < 100]
    for one in short:
        for other in short:
            page = decode_page(in_page(good[0], one, good[1], other, good[2]))
            assert [event.guid for event in page.events()] == ["0", "1", "2"]
            assert len(page.rejects) == 2


@pytest.mark.parametrize(
    ("text", "guids"),
    [
        (b'{"guid":"a"},', ["a"]),
        (b',{"guid":"a"},,{"guid":"b"}', ["a", "b"]),
        (b'{"guid":"a"} {"guid":"b"}\n{"guid":"c"}', ["a", "b", "c"]),
    ],
)
def test_commas_are_forgiven(text: bytes, guids: list[str]) -> None:
    page = decode_page(in_page(text))
    assert [event.guid for event in page.events()] == guids
    assert not page.rejects


@pytest.mark.parametrize(
    "garbage", [b"\0", b"}", b"<!-- seen by proxy -->", b'{"has_more":true,"cursor":"d","entries":[]}']
)
def test_what_stands_behind_a_page_is_set_aside(garbage: bytes) -> None:
    page = decode_page(in_page(BEFORE) + garbage)
    assert [event.guid for event in page.events()] == ["before"]
    assert [reject.raw for reject in page.rejects] == [garbage]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_a_page_is_read_in_any_encoding_of_json(encoding: str) -> None:
    body = in_page(BEFORE, '{"guid":"ä😀"}'.encode()).decode().encode(encoding)
    assert RawPage.read(body).cursor == "c"
    assert [event.guid for event in decode_page(body).events()] == ["before", "ä😀"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"has_more":true,"cursor":"c","entries":[{"guid":"a","x":{"y":[1]}',
        b'{"has_more":true,"cursor":"c","entries":[{"guid":"a"},{"guid":"b","name":"x]',
        b'{"has_more":true,"cursor":"c","entries":[{"guid":"a}, {"guid":"b"},',
        b'{"has_more":"perhaps","cursor":"c","entries":[]}',
        b'{"has_more":true,"cursor":"\\ud800","entries":[]}',
        b'{"has_more":true,"cursor":7,"entries":[{]}',
        b'{"has_more":true,"cursor":"c","cursor":"d","entries":[{]}',
        b'{"has_more":true,"cursor":"c","entries":[{],"cursor":"d"}',
        b'{"has_more":true,"cursor":"c","entries":{}}',
        b'{"cursor":"c","entries":[{]}',
        b"\xff\xfe{",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_where_the_cursor_or_the_end_is_in_doubt_nothing_is_believed(body: bytes) -> None:
    for read in (RawPage.read, decode_page):
        with pytest.raises(UnreadableAnswer) as caught:
            read(body)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("word", "more"), [(b'"false"', False), (b'"True"', True), (b"0", False), (b"1", True), (b"null", False)]
)
def test_whether_there_is_more_is_read_as_it_is_meant(word: bytes, more: bool) -> None:
    body = b'{"has_more":' + word + b',"cursor":"c","entries":[]}'
    assert RawPage.read(body).has_more is decode_page(body).has_more is more


def test_a_page_cut_short_anywhere_does_not_pass() -> None:
    """It would move the cursor past what did not arrive."""
    for head, tail in zip(HEADS, TAILS, strict=True):
        body = in_page(BEFORE, BEHIND, head=head, tail=tail)
        for end in range(len(body.rstrip())):
            with pytest.raises(UnreadableAnswer):
                RawPage.read(body[:end])


@pytest.mark.parametrize(
    "text", [b'{"', b'{"a":[', b'"', b"]", b'{"guid":"a" ', b'\\"', b'{"guid":"a","n":"', b"[", b"},"]
)
def test_a_hostile_page_takes_seconds_not_hours(text: bytes) -> None:
    began = time.monotonic()
    with contextlib.suppress(UnreadableAnswer):
        decode_page(in_page(text * (2_000_000 // len(text))))
    assert time.monotonic() - began < 60


wire = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.sampled_from(["name", "size", "x", "modified"]), wire, max_size=4)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(objects, min_size=1, max_size=6),
    st.data(),
    st.sampled_from(list(zip(HEADS, TAILS, strict=True))),
)
def test_bytes_may_change_in_one_entry(
    entries: list[dict[str, Any]], data: st.DataObject, ends: tuple[bytes, bytes]
) -> None:
    """Neighbours stay as they were, and the changed one is there: as an event, or with its bytes."""
    raw = [json.dumps({"guid": f"g{n}", **entry}).encode() for n, entry in enumerate(entries)]
    hit = data.draw(st.integers(0, len(raw) - 1))
    at = data.draw(st.integers(1, len(raw[hit])))
    gone = data.draw(st.integers(0, 4))
    put = data.draw(st.binary(max_size=4) | st.sampled_from([b'"', b"{", b"}", b"[", b"]", b"\\", b","]))
    raw[hit] = raw[hit][:at] + put + raw[hit][at + gone :]
    body = in_page(*raw, head=ends[0], tail=ends[1])
    try:
        page = RawPage.read(body)
    except UnreadableAnswer:
        assert hit == len(raw) - 1 or b'"' in put + raw[hit]
        return
    decoded = decode_page(body)
    assert (decoded.cursor, decoded.has_more) == (page.cursor, page.has_more)
    whole(decoded)
    found = {event.guid for event in decoded.events()}
    assert found >= {f"g{n}" for n in range(len(raw)) if n != hit}


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ae1 ', max_size=60).map(str.encode))
@example(b'{"guid":"a"},"b":{')
def test_what_passes_for_a_page_can_be_decoded(text: bytes) -> None:
    """The collector asks for a page again only while it does not pass."""
    for body in (text, in_page(text), in_page(BEFORE, text, BEHIND)):
        try:
            raw = RawPage.read(body)
        except UnreadableAnswer:
            with pytest.raises(UnreadableAnswer):
                decode_page(body)
            continue
        page = decode_page(body)
        assert (page.cursor, page.has_more) == (raw.cursor, raw.has_more)
        assert raw.empty == (not len(page) and not page.rejects)
        whole(page)
