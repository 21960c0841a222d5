"""What changed between two descriptors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ctera_insights.insights.sddl.explain import names
from ctera_insights.insights.sddl.read import Descriptor, Unreadable, read
from ctera_insights.insights.sddl.rights import FULL, rights_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctera_insights.insights.sddl.sids import Principal

BROAD_GROUPS: Final = ("Everyone", "Anonymous", "Authenticated Users", "Users", "Domain Users", "Guests")
"""Principals that stand for (nearly) all people; a grant to one of them opens an object."""
_EVERYONE: Final = "Everyone"


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two descriptors.

    Attributes:
        gained: in words, one entry a principal and kind of right.
        lost: likewise.
        opened_to: the broad groups that can do more than before.
        unreadable: why nothing can be said; empty when both could be read.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]
    opened_to: tuple[str, ...]
    unreadable: str = ""


def difference(old: str | None, new: str | None) -> Difference:
    """Who gained and who lost what from one descriptor to the next.

    Entries count in their order, the first that speaks decides; a right that is denied does not count as
    held, and what is denied to everyone is denied to each. Who becomes the owner gains, because an owner may
    change the permissions. Without an old descriptor nothing is known to have changed; where one of the two
    cannot be read, ``unreadable`` says so and nothing is claimed.

    Example:
        >>> difference("D:(A;;FR;;;BU)", "D:(A;;FR;;;BU)(A;;FA;;;WD)")
        Difference(gained=('Everyone: full control',), lost=(), opened_to=('Everyone',), unreadable='')
        >>> difference("D:(A;;FR;;;BU)", "D:(A;;FR").unreadable
        'the new descriptor: an entry does not end'
    """
    if not old or not new or not old.strip() or not new.strip() or old == new:
        return Difference((), (), ())
    read_ones: list[Descriptor] = []
    for which, text in (("old", old), ("new", new)):
        try:
            read_ones.append(read(text))
        except Unreadable as error:
            return Difference((), (), (), f"the {which} descriptor: {error}")
    called = names(read_ones)
    before, after = (_held(descriptor, called) for descriptor in read_ones)
    gained, lost = _more(before, after), _more(after, before)
    return Difference(
        tuple(str(more) for more in gained),
        tuple(str(more) for more in lost),
        tuple(sorted({more.name for more in gained if more.opens})),
    )


@dataclass(slots=True)
class _Held:
    """What a descriptor gives, by the principal's name."""

    certain: dict[str, int] = field(default_factory=dict)
    conditional: dict[tuple[str, str], int] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)
    owner: str | None = None


def _held(descriptor: Descriptor, called: Mapping[Principal, str]) -> _Held:
    held = _Held(owner=called[descriptor.owner] if descriptor.owner else None)
    if descriptor.entries is None:
        held.certain[_EVERYONE] = FULL
        return held
    for entry in descriptor.entries:
        name = called[entry.principal]
        decided = held.certain.get(name, 0)
        if entry.denies:
            # Whether a condition holds is unknown: a denial on one takes nothing away for certain.
            if not entry.condition:
                held.denied[name] = held.denied.get(name, 0) | entry.mask & ~decided
            continue
        mask = entry.mask & ~held.denied.get(name, 0) & ~held.denied.get(_EVERYONE, 0)
        if entry.condition:
            key = (name, entry.condition)
            held.conditional[key] = held.conditional.get(key, 0) | mask
        else:
            held.certain[name] = decided | mask
    return held


@dataclass(frozen=True, slots=True, order=True)
class _More:
    """What a principal can do after and could not before."""

    name: str
    words: str
    given: bool = True
    """Whether it is a right, not only the end of a denial."""

    @property
    def opens(self) -> bool:
        return self.given and self.name.partition(" of ")[0] in BROAD_GROUPS

    def __str__(self) -> str:
        return f"{self.name}: {self.words}"


def _more(before: _Held, after: _Held) -> list[_More]:
    more: list[_More] = []
    for name in {*before.certain, *after.certain, *before.denied}:
        had, has = before.certain.get(name, 0), after.certain.get(name, 0)
        new = has & ~had
        if new:
            more.append(_More(name, rights_in_words(new if had else has)))
        if freed := before.denied.get(name, 0) & ~after.denied.get(name, 0) & ~new:
            more.append(_More(name, f"no denial of {rights_in_words(freed)}", given=False))
    for (name, condition), mask in after.conditional.items():
        new = mask & ~before.conditional.get((name, condition), 0) & ~before.certain.get(name, 0)
        if new:
            more.append(_More(name, f"{rights_in_words(new)}, on a condition"))
    if after.owner and after.owner != before.owner:
        more.append(_More(after.owner, "owner"))
    return sorted(more)
