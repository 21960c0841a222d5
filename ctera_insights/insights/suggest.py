"""What may have been meant by a name that is none."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN: Final = 12
_LONGEST: Final = 80


def instead(given: str, known: Iterable[str]) -> str:
    """The end of a sentence: what was probably meant, or else what there is.

    Example:
        >>> instead("finance", ["Finance", "Legal"]), instead("x", ["Finance", "Legal"]), instead("x", [])
        ("; did you mean 'Finance'?", "; there are 'Finance', 'Legal'", '')
    """
    names = list(dict.fromkeys(known))
    if close := closest(given, names):
        return f"; did you mean {' or '.join(map(shown, close))}?"
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"; there are {', '.join(map(shown, names[:_SHOWN]))}{more}"


def closest(given: str, known: Iterable[str]) -> list[str]:
    """Up to three names that differ in case only, or else in few characters."""
    folded: dict[str, list[str]] = {}
    for name in known:
        folded.setdefault(name.strip().casefold(), []).append(name)
    wanted = given.strip().casefold()
    if wanted in folded:
        return folded[wanted][:3]
    if len(wanted) > _LONGEST:
        return []
    near = get_close_matches(wanted, [name for name in folded if len(name) <= _LONGEST], n=3, cutoff=0.7)
    return [folded[name][0] for name in near]


def shown(name: str) -> str:
    """A name in quotes, on one line, not too long."""
    return repr(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…")
