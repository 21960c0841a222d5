"""Read a descriptor: owner, group and the entries of its discretionary list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ctera_insights.insights.sddl.rights import mask_of
from ctera_insights.insights.sddl.sids import ABBREVIATION, SID, Principal, principal

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALLOWS: Final = frozenset({"A", "OA", "XA", "ZA"})
_DENIES: Final = frozenset({"D", "OD", "XD"})
# Audits, alarms, labels, attributes and policies: they stand in the system list and grant nothing.
_SAYS_NOTHING: Final = frozenset({"AU", "OU", "XU", "AL", "OL", "ML", "RA", "SP", "TL", "FL"})
_WITH_MORE: Final = frozenset({"XA", "ZA", "XD", "XU", "RA"})
_FLAGS: Final = frozenset({"OI", "CI", "NP", "IO", "ID", "SA", "FA", "TP", "CR"})
_ACE_FIELDS: Final = 6

_SPACE: Final = re.compile(r"\s*")
_PART: Final = re.compile(r"([OGDS])\s*:\s*", re.IGNORECASE)
_LIST_FLAG: Final = re.compile(r"(NO_ACCESS_CONTROL|AI|AR|P)\s*", re.IGNORECASE)
_TRUSTEE: Final = re.compile(rf"({SID.pattern}|{ABBREVIATION.pattern})\s*(?=[OGDS]\s*:|$)", re.IGNORECASE)
_SID_IN_CONDITION: Final = re.compile(r"SID\(([^()]*)\)", re.IGNORECASE)


class Unreadable(Exception):  # never leaves this package: it becomes a result
    """The text is no descriptor, or one that says something unknown; the message says what."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that allows or denies something on the object itself."""

    principal: Principal
    mask: int
    denies: bool
    condition: str = ""
    """What must hold, in one spelling; empty where nothing must."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor; ``entries`` is ``None`` where there is no discretionary list: all may do everything."""

    owner: Principal | None
    group: Principal | None
    entries: tuple[Entry, ...] | None


@lru_cache(maxsize=2048)
def read(sddl: str) -> Descriptor:
    """Read a descriptor.

    White space may stand between any two parts, and letters may be of either case.

    Raises:
        Unreadable: see there.
    """
    seen: dict[str, int] = {}
    who: dict[str, Principal | None] = {}
    entries: tuple[Entry, ...] | None = None
    at = _skip(sddl, 0)
    while at < len(sddl):
        part = _PART.match(sddl, at)
        if part is None:
            raise Unreadable(f"no part of a descriptor begins with {sddl[at : at + 12]!r}")
        tag, at = part[1].upper(), part.end()
        if tag in seen:
            raise Unreadable(f"{tag}: stands twice")
        seen[tag] = at
        if tag in "OG":
            who[tag], at = _trustee(sddl, at)
            continue
        open_to_all, at = _list_flags(sddl, at)
        texts, at = _entry_texts(sddl, at)
        if tag == "D" and not open_to_all:
            entries = tuple(entry for text in texts for entry in _entry(text))
    if not seen:
        raise Unreadable("it is empty")
    return Descriptor(who.get("O"), who.get("G"), entries)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _trustee(sddl: str, at: int) -> tuple[Principal | None, int]:
    if at == len(sddl) or _PART.match(sddl, at):  # named, and nobody
        return None, at
    found = _TRUSTEE.match(sddl, at)
    named = principal(found[1]) if found else None
    if found is None or named is None:
        raise Unreadable(f"no principal begins with {sddl[at : at + 12]!r}")
    return named, found.end()


def _list_flags(sddl: str, at: int) -> tuple[bool, int]:
    open_to_all = False
    while flag := _LIST_FLAG.match(sddl, at):
        open_to_all |= flag[1].upper() == "NO_ACCESS_CONTROL"
        at = flag.end()
    return open_to_all, at


def _entry_texts(sddl: str, at: int) -> tuple[list[str], int]:
    """What stands between the parentheses of each entry, and where the list ends."""
    texts = []
    while at < len(sddl) and sddl[at] == "(":
        end = _closing(sddl, at)
        texts.append(sddl[at + 1 : end])
        at = _skip(sddl, end + 1)
    return texts, at


def _closing(sddl: str, start: int) -> int:
    """The parenthesis that closes one; those within quotes are text."""
    depth, quoted = 0, False
    for at in range(start, len(sddl)):
        character = sddl[at]
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if not depth:
                return at
    raise Unreadable("an entry does not end")


def _entry(text: str) -> Iterator[Entry]:
    """The entry of a text, unless it says nothing about the object itself."""
    fields = [field.strip() for field in text.split(";", _ACE_FIELDS)]
    kind = fields[0].upper()
    if kind not in _ALLOWS | _DENIES | _SAYS_NOTHING:
        raise Unreadable(f"no type of entry is called {fields[0][:12]!r}")
    if len(fields) < _ACE_FIELDS:
        raise Unreadable(f"an entry has {len(fields)} fields of {_ACE_FIELDS}")
    more = fields[_ACE_FIELDS] if len(fields) > _ACE_FIELDS else ""
    if kind in _SAYS_NOTHING:
        return
    if bool(more) != (kind in _WITH_MORE):
        raise Unreadable("an entry has a condition that its type does not have, or lacks it")
    flags, rights = ("".join(fields[i].split()) for i in (1, 2))
    pairs = [flags[i : i + 2].upper() for i in range(0, len(flags), 2)]
    if not all(pair in _FLAGS for pair in pairs):
        raise Unreadable(f"no flags of an entry are called {flags[:12]!r}")
    mask, named = mask_of(rights), principal(fields[5])
    if mask is None:
        raise Unreadable(f"no rights are called {rights[:12]!r}")
    if named is None:
        raise Unreadable(f"no principal is called {fields[5][:12]!r}")
    if mask and "IO" not in pairs:  # inherit-only: no effect on the object itself
        yield Entry(named, mask, kind in _DENIES, _one_spelling(more))


def _one_spelling(condition: str) -> str:
    """A condition without what changes nothing: white space, case, and how a SID is written."""
    parts = condition.split('"')
    for i in range(0, len(parts), 2):  # the others are quoted
        plain = "".join(parts[i].split())
        parts[i] = _SID_IN_CONDITION.sub(_principal_in_condition, plain).casefold()
    return '"'.join(parts)


def _principal_in_condition(found: re.Match[str]) -> str:
    named = principal(found[1])
    return f"SID({named.name})" if named else found[0]
