from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.errors import UnreadableAnswer
from ctera_insights.model import WIRE_FIELDS, wire_schema
from ctera_insights.portal.pages import RawPage, decode_page


def page(*entries: object, **more: object) -> bytes:
    return json.dumps({"has_more": False, "cursor": "c", "entries": entries, **more}).encode()


def row(entry: object) -> dict[str, object]:
    """What an entry becomes in the store: the columns that are not null."""
    (found,) = decode_page(page(entry)).table().to_pylist()
    return {name: value for name, value in found.items() if value is not None}


def test_a_well_formed_entry_fills_its_columns() -> None:
    entry = {
        "type": "file",
        "guid": "a:1",
        "deleted": False,
        "name": "x",
        "folder_id": 16,
        "size": 5,
        "id": 9,
    }
    assert row(entry) == entry


def test_times_become_moments_in_utc() -> None:
    moment = datetime(2026, 11, 24, 8, 20, 25, tzinfo=UTC)
    for text in (
        "2026-11-24T08:20:25Z",
        "2026-11-24T10:20:25+02:00",
        "2026-11-24T08:20:25",
        "20261124T082025Z",
    ):
        found = row({"guid": "a", "file_timestamp": text})
        assert found["file_timestamp"] == moment
        assert "extra" not in found
    micros = row({"guid": "a", "file_timestamp": "2026-11-24T08:20:25.123456Z"})["file_timestamp"]
    assert micros == moment.replace(microsecond=123456)


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "2026-11-24T08:20:25.123456789Z"])
def test_a_time_that_a_column_cannot_hold_is_kept_as_text(text: str) -> None:
    found = row({"guid": "a", "file_timestamp": text})
    assert json.loads(str(found["extra"])) == {"file_timestamp": text}


def test_the_old_name_of_a_field_is_folded_into_the_new() -> None:
    assert "portal_modified_date" in row({"guid": "a", "modified": "2026-11-24T08:20:25Z"})
    (event,) = decode_page(page({"guid": "a", "modified": "old", "portal_modified_date": "new"})).events()
    assert event.portal_modified_date == "new"


def test_unknown_keys_and_types_survive() -> None:
    found = row({"guid": "a", "hash": {"sha1": "ff"}, "size": "many", "type": "symlink", "deleted": "true"})
    assert (found["type"], found["deleted"]) == ("symlink", True)
    assert json.loads(str(found["extra"])) == {"hash": {"sha1": "ff"}, "size": "many"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("12", 12), (12.0, 12), (2**63 - 1, 2**63 - 1), (2**63, None), (1.5, None), (True, None)],
)
def test_a_number_is_taken_where_nothing_of_it_is_lost(given: object, kept: int | None) -> None:
    found = row({"guid": "a", "size": given})
    assert found.get("size") == kept
    assert ("extra" in found) == (kept is None)


@pytest.mark.parametrize("entry", [None, 7, "text", [], {}, {"guid": None}, {"guid": ""}, {"guid": True}])
def test_an_entry_without_identity_is_set_aside_as_it_came(entry: object) -> None:
    found = decode_page(page({"guid": "a"}, entry, {"guid": "b"}))
    assert [event.guid for event in found.events()] == ["a", "b"]
    (reject,) = found.rejects
    assert (reject.position, json.loads(reject.raw)) == (1, entry)
    assert reject.reason


def test_text_that_is_no_unicode_is_marked_and_kept() -> None:
    entries = rb'[{"guid": "a", "name": "\ud800"}, {"guid": "b", "name": "' + b'\xff"}]'
    body = b'{"has_more": false, "cursor": "c", "entries": ' + entries + b"}"
    first, second = decode_page(body).events()
    assert first.name == second.name == "\N{REPLACEMENT CHARACTER}"
    assert first.extra == {"name": "\ud800"}
    assert second.extra == {"name": "\udcff"}
    assert len(decode_page(body).table()) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html></html>",
        b'{"has_more": true, "cursor": "c", "entries": [{"guid": "a"}',
        b'{"has_more": true, "entries": []}',
        b'{"has_more": true, "cursor": null, "entries": []}',
        b'{"has_more": true, "cursor": "", "entries": []}',
        b'{"has_more": true, "cursor": "c", "entries": null}',
        b'{"has_more": true, "cursor": "c"}',
        pytest.param(b'{"has_more": true, "cursor": "%s", "entries": []}' % (b"k" * 1_048_577), id="endless"),
    ],
)
def test_a_body_that_is_no_page_is_unreadable(body: bytes) -> None:
    """Going on from it would start the feed over, or lose events."""
    with pytest.raises(UnreadableAnswer):
        decode_page(body)
    with pytest.raises(UnreadableAnswer):
        RawPage.read(body)


def test_a_raw_page_tells_whether_it_is_empty() -> None:
    assert RawPage.read(b'{"entries": [ ], "cursor": "c", "has_more": true}').empty
    assert not RawPage.read(page({"guid": "a"})).empty


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
keys = st.sampled_from([*WIRE_FIELDS, "modified", "new key"])


@given(st.lists(values | st.dictionaries(keys, values, max_size=6), max_size=4))
def test_nothing_that_the_portal_sends_is_dropped(entries: list[object]) -> None:
    """Whatever an entry holds: it is an event or a reject, and each value is in a column or in ``extra``."""
    found = decode_page(page(*entries))
    rejected = {reject.position for reject in found.rejects}
    assert len(found) + len(rejected) == len(entries)
    assert found.table().schema == wire_schema()
    kept = [entry for position, entry in enumerate(entries) if position not in rejected]
    for entry, columns in zip(kept, found.table().to_pylist(), strict=True):
        assert isinstance(entry, dict)
        extra = json.loads(columns["extra"] or "{}")
        for key, value in entry.items():
            column = "portal_modified_date" if key == "modified" else key
            if (
                value is not None
                and key not in extra
                and not (key == "modified" and "portal_modified_date" in entry)
            ):
                assert columns.get(column) is not None or column in extra
