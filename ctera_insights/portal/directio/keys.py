"""The file's key: wrapped by the secret half of the access key, unwrapped here."""

from __future__ import annotations

import binascii
from base64 import b64decode

KEY_BYTES = 32
_BLOCK_BYTES = 16


class KeyNotUnwrapped(ValueError):
    """The secret access key does not open the wrapped key; says why, never with key material."""


def unwrap_key(wrapped_key: str, secret_access_key: str) -> bytes:
    """Unwrap the key that a file's blocks are encrypted with.

    The wrapping is AES-256-ECB under the decoded secret (cut, or padded with zero bytes, to 32 bytes) of the
    JSON string of the key in base64, with PKCS#7 padding.

    Args:
        wrapped_key: base64, from the block list.
        secret_access_key: base64, the half of the access key that never travels.

    Returns:
        The file key: 16, 24 or 32 bytes.

    Raises:
        KeyNotUnwrapped: the secret is not the one the key was wrapped with, or either is malformed.

    Example:
        >>> secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
        >>> wrapped = "TLFckbv9exOeUtAjdcCuCTTHHbVLA27GIN4ec6clTMBZjLXGIXCqEoy+jJIb14xd"
        >>> unwrap_key(wrapped, secret) == bytes(range(32))
        True
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    try:
        secret = b64decode(secret_access_key.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise KeyNotUnwrapped("the secret access key is not base64") from None
    try:
        wrapped = b64decode(wrapped_key, validate=True)
    except (binascii.Error, ValueError):
        raise KeyNotUnwrapped("the wrapped key is not base64") from None
    if not wrapped or len(wrapped) % _BLOCK_BYTES:
        raise KeyNotUnwrapped(f"the wrapped key has {len(wrapped)} bytes, not a multiple of {_BLOCK_BYTES}")
    kek = secret[:KEY_BYTES].ljust(KEY_BYTES, b"\0")
    # ECB is what the Portal wraps with; the content itself is in CBC.
    decryptor = Cipher(algorithms.AES(kek), modes.ECB()).decryptor()  # noqa: S305 - the wire's choice
    text = decryptor.update(wrapped) + decryptor.finalize()
    quoted = text[: padded_end(text)]
    if len(quoted) < 2 or quoted[:1] != b'"' or quoted[-1:] != b'"':
        raise KeyNotUnwrapped("the secret access key does not open the file's key")
    try:
        key = b64decode(quoted[1:-1], validate=True)
    except (binascii.Error, ValueError):
        raise KeyNotUnwrapped("the secret access key does not open the file's key") from None
    if len(key) not in {16, 24, 32}:
        raise KeyNotUnwrapped(f"the file's key has {len(key)} bytes, not 16, 24 or 32")
    return key


def padded_end(text: bytes) -> int:
    """Where the content ends before its PKCS#7 padding, or -1 when the padding is not valid."""
    if not text:
        return -1
    padding = text[-1]
    if not 1 <= padding <= _BLOCK_BYTES or not text.endswith(bytes([padding]) * padding):
        return -1
    return len(text) - padding
