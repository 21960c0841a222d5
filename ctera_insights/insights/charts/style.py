"""One look for all pictures: colours that colour-blind readers tell apart, units on every axis.

Colours: M. Okabe and K. Ito, "Color Universal Design", 2008; shades of one blue for ordered values.
"""

from __future__ import annotations

from typing import Any, Final

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
        "labelLimit": 420,
        "gridColor": "#E6E6E6",
        "domainColor": "#888888",
        "tickColor": "#888888",
    },
    "legend": {
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 240,
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
    """A path short enough for a label; its beginning and its end stay."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) <= limit:
        return text
    head = limit // 3
    return f"{text[:head]}…{text[-(limit - head - 1) :]}"
