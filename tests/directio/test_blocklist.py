from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.portal.directio.blocklist import UnreadableList, parse_block_list

URL = "https://bucket.example/blocks/00000012/1460a01b-1q?X-Amz-Signature=secret"


def answer(**fields: object) -> bytes:
    return json.dumps(
        {
            "encrypt_info": {"wrapped_key": "d3JhcA==", "data_encrypted": True},
            "compression_type": "SNAPPY",
            "chunks": [{"url": URL, "len": 100}, {"url": URL, "len": 50}],
            **fields,
        }
    ).encode()


def test_offsets_are_the_running_sum_of_the_lengths():
    blocks = parse_block_list(answer())
    assert [(c.number, c.offset, c.length) for c in blocks.chunks] == [(1, 0, 100), (2, 100, 50)]
    assert (blocks.size, blocks.encrypted, blocks.compression) == (150, True, "SNAPPY")


def test_the_wrapped_key_is_found_in_both_places():
    """Portals since 8.3 nest it, those before put it at the top and say nothing of compression."""
    assert parse_block_list(answer()).wrapped_key == "d3JhcA=="
    old = json.dumps({"wrapped_key": "b2xk", "chunks": [{"url": URL, "len": 1}]}).encode()
    blocks = parse_block_list(old)
    assert (blocks.wrapped_key, blocks.encrypted, blocks.compressed) == ("b2xk", True, True)
    plain = parse_block_list(answer(encrypt_info={"data_encrypted": False, "wrapped_key": None}))
    assert (plain.wrapped_key, plain.encrypted) == (None, False)


@pytest.mark.parametrize("chunks", [[], None])
def test_no_blocks_are_an_empty_file(chunks):
    assert parse_block_list(answer(chunks=chunks)).size == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"{}",
        b'{"msg": "error"}',
        b"\xff\xfe",
        answer()[:-1],
        answer(chunks=[{"url": URL}]),
        answer(chunks=[{"url": URL, "len": "100"}]),
        answer(chunks=[{"url": URL, "len": -1}]),
        answer(chunks=[{"url": None, "len": 1}]),
    ],
)
def test_what_is_no_block_list_is_refused(body):
    with pytest.raises(UnreadableList):
        parse_block_list(body)


@pytest.mark.parametrize(
    "covered",
    [{"file_size": 151, "range": "0-150"}, {"file_size": 4_071_685, "range": "1048576-2097152"}],
)
def test_a_list_of_a_part_of_the_file_is_refused(covered):
    """Its offsets would be wrong, or the end of the file would be missing."""
    with pytest.raises(UnreadableList, match="listed"):
        parse_block_list(answer(actual_blocks_range=covered))


def test_the_version_stays_over_new_signatures_and_hosts_and_changes_with_the_blocks():
    version = parse_block_list(answer()).version
    moved = URL.replace("bucket.example", "other.example").replace("secret", "fresh")
    assert (
        parse_block_list(answer(chunks=[{"url": moved, "len": 100}, {"url": moved, "len": 50}])).version
        == version
    )
    other = URL.replace("-1q", "-2q")
    assert (
        parse_block_list(answer(chunks=[{"url": other, "len": 100}, {"url": URL, "len": 50}])).version
        != version
    )
    assert (
        parse_block_list(answer(chunks=[{"url": URL, "len": 100}, {"url": URL, "len": 51}])).version
        != version
    )


def test_no_repr_shows_a_key_or_a_signed_url():
    blocks = parse_block_list(answer())
    text = repr(blocks) + repr(blocks.chunks)
    assert "secret" not in text
    assert "d3JhcA==" not in text


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(0, 40), st.integers(0, 40))
def test_a_span_is_the_blocks_that_overlap_the_range(lengths, start, end):
    blocks = parse_block_list(answer(chunks=[{"url": URL, "len": n} for n in lengths]))
    expected = [c for c in blocks.chunks if start < end and c.offset < end and c.offset + c.length > start]
    assert blocks.span(start, end) == expected
