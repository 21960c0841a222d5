"""Who may do what, by one descriptor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctera_insights.insights.sddl.read import Descriptor, Unreadable, read
from ctera_insights.insights.sddl.rights import FULL, rights_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctera_insights.insights.sddl.sids import Principal

UNREADABLE: Final = "unreadable"


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
    conditional: bool = False
    """Whether it holds on a condition only."""

    def __str__(self) -> str:
        return f"{self.principal}: {'denied ' if self.denied else ''}{self.rights}"


class Explanation(list[Grant]):
    """The grants of a descriptor, and whose it is.

    Attributes:
        owner: who may change the permissions in any case, or ``None`` where it says nobody.
        group: its primary group, which matters to POSIX programs only, or ``None``.
        unreadable: why the descriptor could not be read; empty when it could. The one grant is then
            ``unreadable`` with the reason: neither nobody nor everybody.
    """

    def __init__(
        self,
        grants: Iterable[Grant] = (),
        *,
        owner: str | None = None,
        group: str | None = None,
        unreadable: str = "",
    ) -> None:
        super().__init__(grants)
        self.owner = owner
        self.group = group
        self.unreadable = unreadable


def explain(sddl: str | None) -> Explanation:
    """Who may do what, by the discretionary list of a descriptor.

    A descriptor without a discretionary list grants everyone everything ([MS-DTYP] 2.4.6); an empty list
    grants nobody anything. ``None`` and an empty text give an empty list; text that is no descriptor, or one
    that says something unknown, gives one grant that says ``unreadable``.

    Example:
        >>> told = explain("O:BAG:DUD:PAI(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;WD)")
        >>> [str(grant) for grant in told], told.owner
        (['Administrators: full control', 'Everyone: read and execute'], 'Administrators')
        >>> [str(grant) for grant in explain("D:(A;;FA;;;BA")]
        ['unreadable: an entry does not end']
    """
    if not sddl or not sddl.strip():
        return Explanation()
    try:
        descriptor = read(sddl)
    except Unreadable as error:
        return Explanation([Grant(UNREADABLE, str(error))], unreadable=str(error))
    shown = names([descriptor])
    masks: dict[tuple[str, bool, bool], int] = {}
    for entry in descriptor.entries or ():
        key = (shown[entry.principal], entry.denies, bool(entry.condition))
        masks[key] = masks.get(key, 0) | entry.mask
    if descriptor.entries is None:
        masks["Everyone", False, False] = FULL
    return Explanation(
        sorted(
            Grant(name, rights_in_words(mask), denied, mask, conditional)
            for (name, denied, conditional), mask in masks.items()
        ),
        owner=shown[descriptor.owner] if descriptor.owner else None,
        group=shown[descriptor.group] if descriptor.group else None,
    )


def names(descriptors: Iterable[Descriptor]) -> dict[Principal, str]:
    """What to call each principal: the domain is told where a name is used of several domains."""
    principals: set[Principal] = set()
    for descriptor in descriptors:
        principals |= {entry.principal for entry in descriptor.entries or ()}
        principals |= {who for who in (descriptor.owner, descriptor.group) if who}
    domains: dict[str, set[str]] = {}
    for who in principals:
        domains.setdefault(who.name, set()).update([who.domain] if who.domain else [])
    return {
        who: f"{who.name} of {who.domain}" if who.domain and len(domains[who.name]) > 1 else who.name
        for who in principals
    }
