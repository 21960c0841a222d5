"""One look for all pictures: colours that colour-blind readers tell apart, units on every axis.

Colours: M. Okabe and K. Ito, "Color Universal Design", 2008; shades of one blue for ordered values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wcwidth import iter_graphemes, width

from ctera_insights.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLUE: Final = "#0072B2"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
RED: Final = "#D55E00"
SKY: Final = "#56B4E9"
GREY: Final = "#999999"
DARK: Final = "#4D4D4D"
YELLOW: Final = "#F0E442"

PALETTE: Final = (BLUE, ORANGE, GREEN, RED, SKY, PURPLE, DARK, YELLOW)
OTHER: Final = "(other)"

OPERATION_COLOURS: Final = {
    "created": GREEN,
    "modified": BLUE,
    "renamed": SKY,
    "moved": ORANGE,
    "deleted": RED,
    "restored": PURPLE,
    "acl_changed": DARK,
}
TEMPERATURE_COLOURS: Final = {"hot": RED, "warm": ORANGE, "cold": SKY}

WIDTH: Final = 720
HEIGHT: Final = 260
ROW: Final = 20
LABEL_CHARACTERS: Final = 52
SERIES_CHARACTERS: Final = 30
_LONGEST_CHARACTER: Final = 16
_REACH: Final = _LONGEST_CHARACTER

# No limits: Vega cuts at UTF-16 units, and half an emoji ends its renderer. What is long was `shortened`.
CONFIG: Final[dict[str, Any]] = {
    "background": "white",
    "font": "sans-serif",
    "padding": 12,
    "title": {
        "anchor": "start",
        "frame": "group",
        "fontSize": 15,
        "fontWeight": 600,
        "subtitleFontSize": 11,
        "subtitleColor": "#555555",
        "subtitlePadding": 4,
        "offset": 12,
    },
    "axis": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titleColor": "#333333",
        "titlePadding": 8,
        "labelColor": "#333333",
        "labelLimit": 0,
        "gridColor": "#E6E6E6",
        "domainColor": "#888888",
        "tickColor": "#888888",
    },
    "legend": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 0,
        "symbolType": "square",
    },
    "view": {"stroke": None},
    "bar": {"color": BLUE},
    "line": {"strokeWidth": 2, "color": BLUE},
}

BYTES_LABEL: Final = "datum.value == 0 ? '0' : format(datum.value, '.3~s') + 'B'"
COUNT_LABEL: Final = (
    "abs(datum.value) < 1000 ? format(datum.value, '~g') : replace(format(datum.value, '.3~s'), 'G', ' bn')"
)


def bytes_in_words(value: float | None) -> str:
    """A number of bytes with a decimal unit.

    Example:
        >>> bytes_in_words(1_530_000), bytes_in_words(-12), bytes_in_words(0)
        ('1.53 MB', '-12 B', '0 B')
    """
    if value is None:
        return ""
    size = float(value)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} PB"


def shortened(text: str, limit: int = LABEL_CHARACTERS) -> str:
    """A path short enough for a label; its beginning and its end stay.

    Args:
        text: any text. What cannot be seen shows as an escape, and no character that a reader sees as one is
            cut apart.
        limit: columns of a terminal; an ideograph or an emoji takes two.
    """
    reach = _REACH * limit
    start, end = visible(text[:reach]), visible(text[-reach:])
    if len(text) <= limit >= len(start) and width(start) <= limit:
        return start
    head = list(_fitting(iter_graphemes(start), limit // 3))
    tail = list(_fitting(reversed(list(iter_graphemes(end))), limit - limit // 3 - 1))
    return f"{''.join(head)}…{''.join(reversed(tail))}"


def _fitting(characters: Iterable[str], columns: int) -> Iterator[str]:
    """The first characters that fit, each as long as a name needs, and no pile of a thousand accents."""
    for character in characters:
        seen = character if len(character) <= _LONGEST_CHARACTER else "\N{REPLACEMENT CHARACTER}"
        columns -= max(width(seen), 1)
        if columns < 0:
            return
        yield seen
