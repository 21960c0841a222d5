"""Parameters of a scheduled notebook, typed as papermill gives them, to the arguments of ``collect_portal``.

``papermill -r`` gives text for everything, ``-p`` numbers, booleans and ``None`` where the text looks like
them, and ``-y`` lists: each of them means the same here, and an empty text means that nothing was given.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_YES: Final = frozenset({"true", "yes", "on", "1"})
_NO: Final = frozenset({"false", "no", "off", "0", "none", "null", ""})


def collect_options(**parameters: object) -> dict[str, Any]:
    """Keyword arguments of :func:`~ctera_insights.pipeline.collect_portal` from a notebook's parameters.

    Args:
        parameters: ``portal, data, user, context, cloud_folders, feed, follow, seconds, minutes, ca_file,
            verify, resync, portal_moved, allow_overlap, enrich``; ``minutes`` in the place of ``seconds``. A
            password is none of them: papermill writes parameters into the notebook that it leaves.

    Returns:
        The arguments that were given; without ``follow``, ``seconds`` is how long the run may last at most.

    Raises:
        UsageError: a parameter is unknown, or cannot be what its name says.

    Example:
        >>> collect_options(portal="portal.example.com", cloud_folders="8,7", follow="False", feed="")
        {'portal': 'portal.example.com', 'cloud_folders': [8, 7], 'follow': False}
    """
    if unknown := sorted(parameters.keys() - _KINDS.keys()):
        raise UsageError(f"{', '.join(unknown)}: no such parameter. There are {', '.join(_KINDS)}.")
    options: dict[str, Any] = {}
    for name, value in parameters.items():
        try:
            read = _KINDS[name](value)
        except (ValueError, TypeError, OverflowError):
            raise UsageError(f"{name}={value!r}: {_EXPECTED[_KINDS[name]]}.") from None
        if read is not None:
            options[name] = read
        elif name in _NEEDED:
            raise UsageError(f"{name} is empty: {_NEEDED[name]}.")
    if "minutes" in options:
        if "seconds" in options:
            raise UsageError("Give either seconds or minutes, not both.")
        options["seconds"] = options.pop("minutes") * 60
    if options.get("context", "admin") not in ("admin", "ServicesPortal"):
        raise UsageError(f"context={options['context']!r}: admin or ServicesPortal.")
    return options


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool | list | dict):
        raise TypeError
    return str(value).strip() or None


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = "" if value is None else str(value).strip().casefold()
    if word in _YES | _NO:
        return word in _YES
    raise ValueError


def _duration(value: object) -> float | None:
    if isinstance(value, bool):
        raise TypeError
    if value is None or (isinstance(value, str) and value.strip().casefold() in ("", "none", "null")):
        return None
    seconds = float(str(value))
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError
    return seconds


def _ids(value: object) -> list[int] | None:
    if isinstance(value, str):
        text = value.strip()
        if text.casefold() in ("", "none", "null"):
            return None
        value = json.loads(text) if text.startswith("[") else text.split(",")
    if value is None:
        return None
    return [_id(one) for one in (value if isinstance(value, list | tuple) else [value])] or None


def _id(value: object) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError
    return int(value) if isinstance(value, int | float) else int(str(value).strip())


_KINDS: Final[dict[str, Callable[[object], Any]]] = {
    "portal": _text,
    "data": _text,
    "user": _text,
    "context": _text,
    "cloud_folders": _ids,
    "feed": _text,
    "follow": _flag,
    "seconds": _duration,
    "minutes": _duration,
    "ca_file": _text,
    "verify": _flag,
    "resync": _flag,
    "portal_moved": _flag,
    "allow_overlap": _flag,
    "enrich": _flag,
}
_NEEDED: Final = {
    "portal": "give the host name or URL of the Portal",
    "data": "give a directory, or s3://bucket/prefix",
}
_EXPECTED: Final[dict[Callable[[object], Any], str]] = {
    _text: "a text",
    _flag: "True or False",
    _duration: "a number above 0, or nothing",
    _ids: "uids of cloud folders, as in 7,8",
}
