from __future__ import annotations

import gzip
import os
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctera_insights.portal.directio.codec import SNAPPY_MAGIC, BadBlock, decode_block, longest_stored
from ctera_insights.portal.directio.keys import KeyNotUnwrapped, unwrap_key
from ctera_insights.simulator.blocks import COMPRESSION_TYPE, Encoding, encode_block, wrap_key

KEY = bytes(range(32))
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
WRAPPED = "TLFckbv9exOeUtAjdcCuCTTHHbVLA27GIN4ec6clTMBZjLXGIXCqEoy+jJIb14xd"
HELLO = b"hello direct io\n"
STREAM = "82534e4150505900 00000001 00000001 00000012 103c68656c6c6f2064697265637420696f0a"
ENCRYPTED_PLAIN = (
    "01 000102030405060708090a0b0c0d0e0f 3468c0e9303549c4a720b6e3a70715906fd9c22e71a33f9770ccc2f63fec946f"
)
ENCRYPTED_STREAM = (
    "01 000102030405060708090a0b0c0d0e0f c03c3f9105db516e575d199a6d0e0a23994b0e1e34313460eaee1bc0df79f1b7"
    "ee4335bf7085b9f287df1c15ff81d5b7"
)
ENCODINGS = [Encoding(c, encrypted=e) for c in COMPRESSION_TYPE for e in (True, False)]


def decode(stored: bytes, length: int, *, key: bytes | None = None, compressed: bool = True) -> bytes:
    return decode_block([stored], length, key=key, compressed=compressed)


def test_the_protocols_test_vectors_decode():
    assert unwrap_key(WRAPPED, SECRET) == KEY
    assert decode(bytes.fromhex(STREAM), 16) == HELLO
    assert decode(bytes.fromhex(ENCRYPTED_STREAM), 16, key=KEY) == HELLO
    assert decode(bytes.fromhex(ENCRYPTED_PLAIN), 16, key=KEY, compressed=False) == HELLO
    assert decode(gzip.compress(HELLO), 16) == HELLO


def test_the_simulator_wraps_as_the_vector():
    assert wrap_key(KEY, SECRET) == WRAPPED


@pytest.mark.parametrize("size", [16, 24, 32])
def test_file_keys_of_every_aes_size_are_unwrapped(size):
    assert unwrap_key(wrap_key(KEY[:size], SECRET), SECRET) == KEY[:size]


@pytest.mark.parametrize(
    ("wrapped", "secret"),
    [
        (WRAPPED, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwe"),
        (WRAPPED, "n0t/b4se 64!"),
        ("not base64", SECRET),
        ("", SECRET),
        (WRAPPED[:-4], SECRET),
        (WRAPPED, ""),
    ],
)
def test_a_wrong_secret_is_told_without_key_material(wrapped, secret):
    with pytest.raises(KeyNotUnwrapped) as caught:
        unwrap_key(wrapped, secret)
    if secret:
        assert secret not in str(caught.value)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("size", [1, 15, 16, 17, 32_767, 32_768, 32_769, 300_000])
def test_every_encoding_round_trips(encoding, size):
    data = os.urandom(size // 2) + bytes(size - size // 2)
    stored = encode_block(data, encoding, KEY)
    assert len(stored) <= longest_stored(size)
    key = KEY if encoding.encrypted else None
    compressed = encoding.compression != "none"
    assert decode(stored, size, key=key, compressed=compressed) == data


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_it_does_not_matter_in_which_pieces_a_block_arrives(encoding):
    data = os.urandom(1000) + bytes(1000)
    stored = encode_block(data, encoding, KEY)
    key = KEY if encoding.encrypted else None
    compressed = encoding.compression != "none"
    for size in (1, 7, 16, 17, 100):
        pieces = [stored[at : at + size] for at in range(0, len(stored), size)]
        assert decode_block(pieces, 2000, key=key, compressed=compressed) == data
        assert not pieces, "what was decoded is let go"


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("damage", ["short", "long"])
def test_a_block_of_another_length_than_announced_is_refused(encoding, damage):
    data = os.urandom(5000)
    stored = encode_block(data, encoding, KEY, damage)
    with pytest.raises(BadBlock):
        decode(
            stored,
            5000,
            key=KEY if encoding.encrypted else None,
            compressed=encoding.compression != "none",
        )


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.sampled_from(ENCODINGS), st.binary(min_size=1, max_size=3000))
def test_a_block_cut_anywhere_is_refused(seed, encoding, data):
    stored = encode_block(data, encoding, KEY)
    cut = stored[: seed % len(stored)]
    with pytest.raises(BadBlock):
        decode(
            cut,
            len(data),
            key=KEY if encoding.encrypted else None,
            compressed=encoding.compression != "none",
        )


@settings(max_examples=500)
@given(st.binary(max_size=500), st.booleans(), st.booleans(), st.integers(0, 600))
def test_any_bytes_decode_to_the_announced_length_or_are_refused(stored, encrypted, compressed, length):
    try:
        data = decode(stored, length, key=KEY if encrypted else None, compressed=compressed)
    except BadBlock:
        return
    assert len(data) == length


@pytest.mark.parametrize("padding", [b"\x00", b"\x11", b"\x02\x03\x03", b"\xff"])
def test_wrong_padding_is_refused(padding):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    plain = bytes(range(100, 148))[: -len(padding)] + padding
    stored = b"\x01" + bytes(16) + Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor().update(plain)
    with pytest.raises(BadBlock, match="padding"):
        decode(stored, 47, key=KEY, compressed=False)


def test_the_wrong_key_is_refused():
    stored = encode_block(b"x" * 1000, Encoding(), KEY)
    with pytest.raises(BadBlock):
        decode(stored, 1000, key=bytes(32))


def test_a_checksum_that_differs_is_refused():
    with pytest.raises(BadBlock, match="MD5"):
        decode_block([b"abc"], 3, key=None, compressed=False, md5="AAAAAAAAAAAAAAAAAAAAAA==")


def test_a_bomb_is_not_inflated():
    """A small block that would grow to gigabytes is refused by its own announcement or at the limit."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    with pytest.raises(BadBlock, match="more than"):
        decode(bomb, 1000)
    raw = b"\xff\xff\xff\xff\x0f" + b"\x00"
    with pytest.raises(BadBlock, match="more than"):
        decode(raw, 1000)
    with pytest.raises(BadBlock, match="more than"):
        decode(SNAPPY_MAGIC + bytes(8) + len(raw).to_bytes(4, "big") + raw, 1000)


def test_concatenated_streams_and_gzip_members_are_read():
    """As the Java and gzip tools that write these formats allow."""
    one = encode_block(b"one", Encoding("snappy-stream", encrypted=False), KEY)
    assert decode(one + one, 6) == b"oneone"
    assert decode(gzip.compress(b"one") + gzip.compress(b"two"), 6) == b"onetwo"
