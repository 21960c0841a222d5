"""Access masks: from SDDL to numbers, from numbers to words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FULL: Final = 0x1F01FF
_RIGHT_BITS: Final = {
    "CC": 0x1, "DC": 0x2, "LC": 0x4, "SW": 0x8, "RP": 0x10, "WP": 0x20, "DT": 0x40, "LO": 0x80, "CR": 0x100,
    "SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000,
    "GA": FULL, "GR": 0x120089, "GW": 0x120116, "GX": 0x1200A0,
    "FA": FULL, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0,
    "KA": 0xF003F, "KR": 0x20019, "KW": 0x20006, "KX": 0x20019,
}  # fmt: skip
_GENERIC_BITS: Final = {
    0x10000000: FULL,
    0x20000000: 0x1200A0,
    0x40000000: 0x120116,
    0x80000000: 0x120089,
}
# From strongest to weakest; the first that is wholly contained names the grant.
_LEVELS: Final = (
    ("full control", FULL),
    ("modify", 0x1301BF),
    ("read, write and execute", 0x1201BF),
    ("read and write", 0x12019F),
    ("read and execute", 0x1200A9),
    ("write", 0x120116),
    ("read", 0x120089),
)
_SINGLE_RIGHTS: Final = {
    0x1: "list or read data", 0x2: "add files or write data", 0x4: "add folders or append data",
    0x20: "traverse or execute", 0x40: "delete children", 0x10000: "delete",
    0x40000: "change permissions", 0x80000: "take ownership",
}  # fmt: skip
_HEXADECIMAL: Final = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
_OCTAL: Final = re.compile(r"0[0-7]{1,22}")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,19}")


def mask_of(text: str) -> int | None:
    """The file access mask of an entry's rights: abbreviations in any case, or a number as in C.

    ``None`` where the text says no rights that are known.
    """
    for pattern, base in ((_HEXADECIMAL, 16), (_OCTAL, 8), (_DECIMAL, 10)):
        if pattern.fullmatch(text):
            mask = int(text, base)
            break
    else:
        pairs = [text[i : i + 2].upper() for i in range(0, len(text), 2)]
        if not all(pair in _RIGHT_BITS for pair in pairs):
            return None
        mask = 0
        for pair in pairs:
            mask |= _RIGHT_BITS[pair]
    if mask >= 1 << 32:
        return None
    for generic, bits in _GENERIC_BITS.items():
        if mask & generic:
            mask = mask & ~generic | bits
    return mask


def rights_in_words(mask: int) -> str:
    """An access mask in words.

    Example:
        >>> rights_in_words(0x1301BF), rights_in_words(0x40000)
        ('modify', 'change permissions')
    """
    for words, level in _LEVELS:
        if mask & level == level:
            return ", ".join([words, *_single(mask & ~level)])
    return ", ".join(_single(mask)) or "attributes only"


def _single(mask: int) -> Iterable[str]:
    return [words for bit, words in _SINGLE_RIGHTS.items() if mask & bit]
