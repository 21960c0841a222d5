"""Security descriptors in words: who may do what, and who gained or lost what between two of them.

Grammar and constants: Microsoft, [MS-DTYP] 2.5.1 "Security Descriptor Description Language" and
[MS-DTYP] 2.4.2.4 "Well-Known SID Structures".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BROAD_GROUPS: Final = ("Everyone", "Anonymous", "Authenticated Users", "Users", "Domain Users", "Guests")
"""Principals that stand for (nearly) all people; a grant to one of them opens an object."""

_SID_NAMES: Final = {
    "AN": "Anonymous", "AO": "Account Operators", "AU": "Authenticated Users", "BA": "Administrators",
    "BG": "Guests", "BO": "Backup Operators", "BU": "Users", "CA": "Certificate Publishers",
    "CG": "Creator Group", "CO": "Creator Owner", "DA": "Domain Admins", "DC": "Domain Computers",
    "DD": "Domain Controllers", "DG": "Domain Guests", "DU": "Domain Users", "EA": "Enterprise Admins",
    "IU": "Interactive", "LA": "Local Administrator", "LG": "Local Guest", "LS": "Local Service",
    "NS": "Network Service", "NU": "Network", "OW": "Owner Rights", "PA": "Group Policy Admins",
    "PO": "Printer Operators", "PS": "Self", "PU": "Power Users", "RC": "Restricted", "RE": "Replicator",
    "RD": "Remote Desktop Users", "SA": "Schema Admins", "SO": "Server Operators", "SU": "Service",
    "SY": "Local System", "WD": "Everyone",
    "S-1-1-0": "Everyone", "S-1-3-0": "Creator Owner", "S-1-3-1": "Creator Group", "S-1-3-4": "Owner Rights",
    "S-1-5-7": "Anonymous", "S-1-5-11": "Authenticated Users", "S-1-5-18": "Local System",
    "S-1-5-19": "Local Service", "S-1-5-20": "Network Service", "S-1-5-32-544": "Administrators",
    "S-1-5-32-545": "Users", "S-1-5-32-546": "Guests", "S-1-5-32-547": "Power Users",
    "S-1-5-32-551": "Backup Operators",
}  # fmt: skip
_DOMAIN_RIDS: Final = {
    "500": "Domain Administrator", "501": "Domain Guest", "512": "Domain Admins", "513": "Domain Users",
    "514": "Domain Guests", "515": "Domain Computers", "519": "Enterprise Admins",
}  # fmt: skip
_RIGHT_BITS: Final = {
    "CC": 0x1, "DC": 0x2, "LC": 0x4, "SW": 0x8, "RP": 0x10, "WP": 0x20, "DT": 0x40, "LO": 0x80, "CR": 0x100,
    "SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000,
    "GA": 0x1F01FF, "GR": 0x120089, "GW": 0x120116, "GX": 0x1200A0,
    "FA": 0x1F01FF, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0,
}  # fmt: skip
_GENERIC_BITS: Final = {
    0x10000000: 0x1F01FF,
    0x20000000: 0x1200A0,
    0x40000000: 0x120116,
    0x80000000: 0x120089,
}
# From strongest to weakest; the first that is wholly contained names the grant.
_LEVELS: Final = (
    ("full control", 0x1F01FF),
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
_DACL: Final = re.compile(r"D:([A-Z_]*)")


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """What one principal is allowed, or denied, by a descriptor."""

    principal: str
    """A well-known name, or the SID as it stands."""
    rights: str
    """The rights in words, such as ``read and write``."""
    denied: bool = False
    mask: int = 0
    """The file access mask."""

    def __str__(self) -> str:
        return f"{self.principal}: {'denied ' if self.denied else ''}{self.rights}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two descriptors.

    Attributes:
        gained: in words, one entry a principal.
        lost: in words, one entry a principal.
        opened_to: the broad groups that can do more than before.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]
    opened_to: tuple[str, ...]


def explain(sddl: str | None) -> list[Grant]:
    """Who may do what, by the discretionary list of a descriptor.

    A descriptor without a discretionary list grants everyone everything ([MS-DTYP] 2.4.6); an empty list
    grants nobody anything. ``None``, an empty text and text that is no descriptor give an empty list.

    Example:
        >>> [str(grant) for grant in explain("O:BAG:DUD:PAI(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;WD)")]
        ['Administrators: full control', 'Everyone: read and execute']
    """
    return sorted(
        Grant(principal, rights_in_words(mask), denied, mask)
        for (principal, denied), mask in _masks(sddl).items()
    )


def difference(old: str | None, new: str | None) -> Difference:
    """Who gained and who lost what from one descriptor to the next.

    A right that is denied does not count as held. Without an old descriptor nothing is known to have changed.

    Example:
        >>> difference("D:(A;;FR;;;BU)", "D:(A;;FR;;;BU)(A;;FA;;;WD)")
        Difference(gained=('Everyone: full control',), lost=(), opened_to=('Everyone',))
    """
    if not old or not new:
        return Difference((), (), ())
    before, after = _effective(old), _effective(new)
    gained: list[str] = []
    lost: list[str] = []
    opened: list[str] = []
    for principal in sorted({*before, *after}):
        had, has = before.get(principal, 0), after.get(principal, 0)
        more, less = has & ~had, had & ~has
        if more:
            gained.append(f"{principal}: {rights_in_words(has if not had else more)}")
            if principal in BROAD_GROUPS:
                opened.append(principal)
        if less:
            lost.append(f"{principal}: {rights_in_words(had if not has else less)}")
    return Difference(tuple(gained), tuple(lost), tuple(opened))


def rights_in_words(mask: int) -> str:
    """An access mask in words.

    Example:
        >>> rights_in_words(0x1301BF), rights_in_words(0x40000)
        ('modify', 'change permissions')
    """
    for words, level in _LEVELS:
        if mask & level == level:
            beyond = _single(mask & ~level)
            return ", ".join([words, *beyond])
    return ", ".join(_single(mask)) or "attributes only"


def principal_name(sid: str) -> str:
    """The name of a well-known SID or SDDL abbreviation; any other SID as it stands."""
    known = _SID_NAMES.get(sid.upper())
    if known:
        return known
    if sid.upper().startswith("S-1-5-21-"):
        return _DOMAIN_RIDS.get(sid.rpartition("-")[2], sid)
    return sid


def _single(mask: int) -> Iterable[str]:
    return [words for bit, words in _SINGLE_RIGHTS.items() if mask & bit]


def _effective(sddl: str) -> dict[str, int]:
    masks = _masks(sddl)
    held = {
        principal: mask & ~masks.get((principal, True), 0)
        for (principal, denied), mask in masks.items()
        if not denied
    }
    return {principal: mask for principal, mask in held.items() if mask}


def _masks(sddl: str | None) -> dict[tuple[str, bool], int]:
    """Allowed and denied access masks by (principal, denied)."""
    masks: dict[tuple[str, bool], int] = {}
    if not sddl or ":" not in sddl:
        return masks
    dacl = _DACL.search(sddl)
    if dacl is None or "NO_ACCESS_CONTROL" in dacl[1]:
        return {("Everyone", False): _RIGHT_BITS["FA"]} if re.match(r"[OGS]:", sddl) or dacl else {}
    for ace in _entries(sddl, dacl.end()):
        fields = ace.split(";")
        if len(fields) < 6 or "IO" in _pairs(fields[1]):  # inherit-only: no effect on the object itself
            continue
        kind, rights, sid = fields[0].upper(), fields[2], fields[5]
        if kind not in {"A", "D", "OA", "OD", "XA", "XD"}:
            continue
        key = (principal_name(sid.strip()), kind.endswith("D"))
        masks[key] = masks.get(key, 0) | _mask(rights.strip())
    return masks


def _entries(sddl: str, start: int) -> Iterator[str]:
    """The access control entries from a position on; a conditional one holds parentheses itself."""
    depth, begin = 0, start
    for i in range(start, len(sddl)):
        if sddl[i] == "(":
            depth += 1
            if depth == 1:
                begin = i + 1
        elif sddl[i] == ")" and depth:
            depth -= 1
            if not depth:
                yield sddl[begin:i]
        elif not depth:  # the next part of the descriptor
            return


def _mask(rights: str) -> int:
    if rights[:2].lower() == "0x" or rights.isdigit():
        try:
            mask = int(rights, 0)
        except ValueError:
            return 0
    else:
        mask = 0
        for right in _pairs(rights.upper()):
            mask |= _RIGHT_BITS.get(right, 0)
    for generic, bits in _GENERIC_BITS.items():
        if mask & generic:
            mask = mask & ~generic | bits
    return mask


def _pairs(text: str) -> list[str]:
    return [text[i : i + 2] for i in range(0, len(text), 2)]
