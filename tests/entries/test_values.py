"""One value of the wire: a column holds it exactly, or ``extra`` holds it as it came."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctera_insights.model import WIRE_FIELDS
from ctera_insights.portal.pages import decode_page
from ctera_insights.values import EARLIEST_US, LATEST_US, moment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def page(*entries: bytes) -> bytes:
    return b'{"has_more":false,"cursor":"c","entries":[' + b",".join(entries) + b"]}"


def columns(raw: bytes) -> dict[str, Any]:
    """What an entry becomes between two others that are as they should be."""
    sound = b'{"guid":"a","size":1,"portal_modified_date":"2026-11-24T08:20:25Z"}'
    before, found, behind = decode_page(page(sound, raw, sound)).table().to_pylist()
    assert before == behind
    assert before["size"] == 1
    assert before["portal_modified_date"].year == 2026
    return {name: value for name, value in found.items() if value is not None}


def entry(key: str, literal: str) -> bytes:
    return f'{{"guid":"x","{key}":{literal}}}'.encode()


NO_TIMES = [
    "1712101500000",
    "1712101500",
    "171210150000",
    "20240101",
    "2024",
    "2024-01",
    "2024-001",
    "2024-W01-1",
    "2024W011",
    "2024-01-01T24:00:00Z",
    "2016-12-31T23:59:60Z",
    "2024-01-01T00:00:61Z",
    "2024-04-03T10:00:00,5Z",
    "2024-04-03t10:00:00Z",
    "2024-04-03T10:00:00z",
    "2024-04-03x10:00:00",
    "2024-04-03T10:00:00+24:00",
    "2024-04-03T10:00:00-24:00",
    "2024-04-03T10:00:00+99:99",
    "2024-04-03T10:00:00+01:60",
    "2024-04-03T10:00:00+1",
    "2024-04-03T10:00:00 +01:00",
    " 2024-04-03T10:00:00Z",
    "2024-04-03T10:00:00Z ",
    "2024-04-03T10:00:00Z\n",
    "2024-04-03T10:00:00.Z",
    "2024-02-30T00:00:00Z",
    "2024-13-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-05:00",
    "0001-01-01T00:00:00+01:00",
    "10000-01-01T00:00:00Z",
    "-2024-01-01T00:00:00Z",
    "+2024-01-01T00:00:00Z",
    "2024-4-3T1:2:3Z",
    "\uff12\uff10\uff12\uff14-01-01T00:00:00Z",
    "2024-04-03T10:00:00ZZ",
    "2024-04-03Z",
    "2024-04-03+02:00",
    "2024-0403T10:00:00Z",
    "20240403T10:00:00Z",
    "2024-04-03T100000Z",
    "now",
    "infinity",
    "epoch",
    "",
    "Wed, 03 Apr 2024 10:00:00 GMT",
    "0",
    "1e9",
    "NaT",
    "2024-04-03T10:00:00[Europe/Paris]",
    "2024-04-03T10:00:00 UTC",
    "2024/04/03 10:00:00",
    "03.04.2024 10:00",
]


@pytest.mark.parametrize("text", NO_TIMES)
@pytest.mark.parametrize("key", ["file_timestamp", "portal_modified_date"])
def test_what_is_no_time_is_kept_as_text_and_never_becomes_a_wrong_time(key: str, text: str) -> None:
    found = columns(entry(key, json.dumps(text)))
    assert key not in found
    assert json.loads(found["extra"]) == {key: text}


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024-04-03T10:00:00+02:00", "2024-04-03T08:00:00"),
        ("2024-04-03T10:00:00-00:00", "2024-04-03T10:00:00"),
        ("2024-04-03T10:00:00+23:59", "2024-04-02T10:01:00"),
        ("2024-04-03T10:00:00+0530", "2024-04-03T04:30:00"),
        ("2024-04-03 10:00:00.5Z", "2024-04-03T10:00:00.500000"),
        ("2024-04-03T10:00:00.123456000Z", "2024-04-03T10:00:00.123456"),
        ("2024-04-03T10:00", "2024-04-03T10:00:00"),
        ("2024-04-03", "2024-04-03T00:00:00"),
        ("20240403T100000Z", "2024-04-03T10:00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00"),
        ("0001-01-01T00:00:00-01:00", "0001-01-01T01:00:00"),
        ("0000-12-31T23:00:00-05:00", "0001-01-01T04:00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999"),
        ("9999-12-31T23:59:59+01:00", "9999-12-31T22:59:59"),
        ("1601-01-01T00:00:00Z", "1601-01-01T00:00:00"),
    ],
)
def test_a_time_becomes_its_moment_in_utc(text: str, iso: str) -> None:
    found = columns(entry("file_timestamp", json.dumps(text)))
    assert found["file_timestamp"] == datetime.fromisoformat(iso).replace(tzinfo=UTC)
    assert "extra" not in found


def test_a_time_finer_than_the_column_stands_in_both() -> None:
    found = columns(entry("file_timestamp", '"2024-04-03T10:00:00.123456789Z"'))
    assert found["file_timestamp"].microsecond == 123456
    assert json.loads(found["extra"]) == {"file_timestamp": "2024-04-03T10:00:00.123456789Z"}


@pytest.mark.parametrize(
    "literal", ["1712101500000", "1712101500", "1712101500.5", "-1", "1e400", "NaN", "true", "{}", "[]"]
)
def test_a_number_is_no_time(literal: str) -> None:
    found = columns(entry("file_timestamp", literal))
    assert "file_timestamp" not in found
    assert "file_timestamp" in json.loads(found["extra"])


times = st.builds(
    lambda at, zone, form: at.replace(tzinfo=UTC).strftime(form).replace("YYYY", f"{at.year:04}") + zone,
    st.datetimes(),
    st.sampled_from(["Z", "", "+02:00", "-0830", "+14", "-23:59", "+24:00", "z"]),
    st.sampled_from(
        [
            "YYYY-%m-%dT%H:%M:%S",
            "YYYY-%m-%d %H:%M:%S.%f",
            "YYYY-%m-%dT%H:%M",
            "YYYY-%m-%dT%H",
            "YYYY-%m-%d",
            "YYYY%m%dT%H%M%S",
        ]
    ),
)


@settings(deadline=None, max_examples=500)
@given(times | st.text(alphabet="0123456789-:TZ+. ", max_size=30))
@example("9999-12-31T23:59:59-05:00")
@example("0000-01-01T00:00:00Z")
def test_a_whole_column_is_read_as_each_of_its_times(text: str) -> None:
    """Arrow reads most columns in one go: it takes nothing that is refused one by one, nor otherwise."""
    time = moment(text).time
    try:
        at_once = pc.cast(pa.array([text]), pa.timestamp("us", "UTC")).cast(pa.int64())[0].as_py()
    except pa.ArrowInvalid:
        return
    if EARLIEST_US <= at_once <= LATEST_US:
        assert time == EPOCH + timedelta(microseconds=at_once)
        assert moment(text).exact
    else:
        assert time is None


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("12", 12),
        ('"12"', 12),
        ("12.0", 12),
        ("1.2e1", 12),
        ("-5", -5),
        ('"-5"', -5),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ('"9223372036854775807"', 2**63 - 1),
        ("9007199254740992.0", 2**53),
        ("9223372036854775808", None),
        ("9223372036854775808.0", None),
        ("-9223372036854775809", None),
        ("1.5", None),
        ("9007199254740993.0", None),
        ('"--5"', None),
        ('"5_000"', None),
        ('" 5 "', None),
        ('"\uff15"', None),
        ('"+5"', None),
        ('"007"', None),
        ('"1e3"', None),
        ('"0x10"', None),
        ('""', None),
        ('"\u0663"', None),
        ("1" * 5000, None),
        ('"' + "1" * 5000 + '"', None),
        ("1e400", None),
        ("-1e400", None),
        ("1e-99999999999999999999", None),
        ("NaN", None),
        ("Infinity", None),
        ("-Infinity", None),
        ('"NaN"', None),
        ("true", None),
        ("[]", None),
        ("{}", None),
    ],
)
@pytest.mark.parametrize("key", ["size", "id", "folder_id"])
def test_a_number_is_taken_where_nothing_of_it_is_lost(key: str, literal: str, value: int | None) -> None:
    found = columns(entry(key, literal))
    assert found.get(key) == value
    kept = json.loads(found.get("extra", "{}"))
    assert kept.keys() == (set() if value is not None else {key})


@pytest.mark.parametrize(
    "literal",
    ["1" * 5000, "1e400", "NaN", "-Infinity", "0.1000000000000000000001", "123456789012345678901234567890"],
)
def test_an_odd_number_keeps_its_letters(literal: str) -> None:
    assert str(json.loads(columns(entry("new", literal))["extra"])["new"]) == literal


@pytest.mark.parametrize(
    ("raw", "name", "kept"),
    [
        (rb'"\ud83d.txt"', "\N{REPLACEMENT CHARACTER}.txt", "\\ud83d.txt"),
        (b'"Gr\xfc\xdfe"', "Gr\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}e", "Gr\\xfc\\xdfe"),
        (b'"a\\u0000b"', "a\0b", None),
        (b'"Icon\r"', "Icon\r", None),
        (b'"a\0b\x1b"', "a\0b\x1b", None),
        (b'""', "", None),
        (b"7", "7", None),
        (b"NaN", None, "NaN"),
        (b"[1]", None, [1]),
        (b'"' + b"x" * 5_000_000 + b'"', "x" * 5_000_000, None),
    ],
)
def test_a_text_is_taken_and_what_is_no_unicode_is_kept_beside_it(
    raw: bytes, name: str | None, kept: object
) -> None:
    found = columns(b'{"guid":"x","name":' + raw + b"}")
    assert found.get("name") == name
    assert json.loads(found.get("extra", "{}")).get("name") == kept


@pytest.mark.parametrize("space", ["", " ", "\n\t\t", "\r\n" + " " * 40])
@pytest.mark.parametrize("number", ["9007199254740993.0", "1e400", "-Infinity", "18446744073709551617"])
def test_white_space_hides_no_odd_number(space: str, number: str) -> None:
    numbers = f"[{space}{number}{space},{space}{number}]"
    raw = f'{{"guid":"x","size"{space}:{space}{number},"list":{numbers}}}'.encode()
    found = columns(raw)
    assert "size" not in found
    kept = json.loads(found["extra"])
    assert [str(each) for each in (kept["size"], *kept["list"])] == [number] * 3


def test_keys_may_be_anything() -> None:
    keys = ["", " ", "extra", "Size", "__class__", "a\0b", "\ud800", "é" * 300, "guid ", "deleted.x"]
    raw = json.dumps({"guid": "x", **{key: n for n, key in enumerate(keys)}}).encode()
    kept = json.loads(columns(raw)["extra"])
    assert list(kept.values()) == list(range(len(keys)))


@pytest.mark.parametrize(
    ("literal", "deleted"),
    [
        ("true", True),
        ('"True"', True),
        ("1", True),
        ('"false"', False),
        ("0", False),
        ('"yes"', None),
        ("2", None),
    ],
)
def test_deleted_is_read_as_it_is_meant(literal: str, deleted: bool | None) -> None:
    found = columns(entry("deleted", literal))
    assert found.get("deleted") is deleted
    assert ("extra" in found) == (deleted is None)


def test_the_last_of_two_equal_keys_counts_wherever_the_entry_is_read() -> None:
    sound, odd = b'{"guid":"x","name":"a","name":"b"}', b'{"guid":"x","name":"a","name":"b","new":1}'
    assert columns(sound)["name"] == columns(odd)["name"] == "b"


odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
    | times,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
entries = st.dictionaries(st.sampled_from([*WIRE_FIELDS, "modified", "new", ""]), odd_values, max_size=8)


@settings(deadline=None, max_examples=300)
@given(st.lists(entries, min_size=1, max_size=5))
def test_an_entry_becomes_the_same_whatever_stands_beside_it(found: list[dict[str, Any]]) -> None:
    """And ``extra`` is JSON that DuckDB reads, too."""
    raw = [json.dumps(each).encode() for each in found]
    together = decode_page(page(*raw))
    alone = [decode_page(page(each)) for each in raw]
    assert together.table().to_pylist() == [row for each in alone for row in each.table().to_pylist()]
    assert [r.raw for r in together.rejects] == [r.raw for each in alone for r in each.rejects]
    extras = [text for text in together.table()["extra"].to_pylist() if text is not None]
    for text in extras:
        assert duckdb.execute("SELECT json_type($1), json_keys($1)", [text]).fetchall()[0][0] == "OBJECT"
