"""What is in a generated file: text that compresses like documents do."""

from __future__ import annotations

import random
from typing import Final

from ctera_insights.simulator.sources.scenario.words import FOLDERS, QUALIFIERS, SUBJECTS

_UNIT_BYTES: Final = 64 * 1024
_WORDS: Final = tuple(word.encode() for word in (*SUBJECTS, *QUALIFIERS, *FOLDERS))


def generated(key: str, size_bytes: int) -> bytes:
    """Give ``size_bytes`` of text, the same for the same key: about a third of it is beyond compression."""
    draw = random.Random(key)  # noqa: S311 - repeatable, not secret
    unit = bytearray()
    while len(unit) < min(_UNIT_BYTES, size_bytes):
        unit += b" ".join(draw.choices(_WORDS, k=12)) + b" " + draw.randbytes(24).hex().encode() + b"\n"
    content = bytearray()
    while len(content) < size_bytes:
        turn = len(content) // len(unit) * 977 % len(unit)
        content += unit[turn:]
        content += unit[:turn]
    return bytes(content[:size_bytes])
