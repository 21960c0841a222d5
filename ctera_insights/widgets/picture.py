"""The static face: the explorer's state as a picture, drawn from the same numbers, where no kernel runs."""

# ruff: noqa: RUF001 # minus and multiplication signs, as people read them

from __future__ import annotations

import struct
from html import escape
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ctera_insights.errors import UsageError
from ctera_insights.insights.charts import style
from ctera_insights.platforms import from_seconds
from ctera_insights.text import to_minutes, visible
from ctera_insights.widgets.codes import OPS
from ctera_insights.widgets.selection import WEEKDAYS, extension_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctera_insights.widgets.frame import Frame
    from ctera_insights.widgets.selection import Selection

_WIDTH: Final = 960
_MARGIN: Final = 20
_AXIS: Final = 62
_BARS: Final = 8
_ROW: Final = 21
_TEXT: Final = "#1f2328"
_MUTED: Final = "#5c646d"
_GRID: Final = "#eceff2"
_SCALE: Final = 2


def to_svg(frame: Frame | None, selection: Selection) -> str:
    """The explorer's views as one SVG document, 960 pixels wide."""
    drawing = _Drawing()
    if frame is None:
        drawing.text(_MARGIN, 40, "No activity yet", size=20, weight=600)
        return drawing.document(70)
    window = frame.window(selection.since, selection.until)
    ops = frame.ops[window].sum(axis=0)
    shown = [i for i, op in enumerate(OPS) if not selection.op or op in selection.op]
    added, removed = frame.sizes[window].sum(axis=0)
    total = f"{int(ops[shown].sum()):,}"
    drawing.text(_MARGIN, 36, f"{total} events", size=20, weight=600)
    drawing.text(
        _WIDTH - _MARGIN,
        34,
        f"of {frame.events:,}   +{style.bytes_in_words(added)}   −{style.bytes_in_words(removed)}",
        colour=_MUTED,
        anchor="end",
    )
    words = selection.words(frame.tz)
    drawing.text(
        _MARGIN, 58, style.shortened("   ·   ".join(words), 130) if words else "All activity", colour=_MUTED
    )
    _timeline(drawing, frame, shown, window, top=76)
    top = 376
    third = (_WIDTH - 2 * _MARGIN - 48) // 3
    children = frame.children[window].sum(axis=0)
    where = style.shortened(visible(selection.folder), 34) if selection.folder else "All folders"
    labels = [child.name for child in frame.child_labels]
    _bars(drawing, _MARGIN, top, third, f"Folders · {where}", _largest(labels, children))
    left = _MARGIN + third + 24
    named = [(op, ops[i], style.OPERATION_COLOURS[op]) for i, op in enumerate(OPS)]
    _bars(drawing, left, top, third, "Operation", named)
    left += third + 24
    extensions = [*map(extension_label, frame.extension_values), "(all others)"]
    counted = frame.extensions[window].sum(axis=0)
    _bars(drawing, left, top, third, "Extension", _largest(extensions[: len(counted)], counted))
    top += 30 + _BARS * _ROW + 16
    cloud_folders = [*(v or "(unknown)" for v in frame.cloud_folder_values), "(all others)"]
    counted = frame.cloud_folders[window].sum(axis=0)
    _bars(drawing, _MARGIN, top, third, "Cloud folder", _largest(cloud_folders[: len(counted)], counted))
    _hours(drawing, _MARGIN + third + 24, top, 2 * third + 24, frame, window)
    return drawing.document(top + 30 + _BARS * _ROW + 20)


def to_png(svg: str) -> bytes:
    """The picture as PNG, two pixels a pixel; needs the extra ``charts``."""
    try:
        import vl_convert
    except ImportError:
        raise UsageError("Pictures need the extra: pip install 'ctera-insights[charts]'") from None
    data: bytes = vl_convert.svg_to_png(svg, scale=_SCALE)
    return data


def png_size(data: bytes) -> dict[str, int]:
    """The size to show a picture at."""
    width, height = struct.unpack(">II", data[16:24])
    return {"width": width // _SCALE, "height": height // _SCALE}


class _Drawing:
    """SVG elements, one after the other."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 12,
        weight: int = 400,
        colour: str = _TEXT,
        anchor: str = "start",
    ) -> None:
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
            f'text-anchor="{anchor}" xml:space="preserve">{escape(visible(text))}</text>'
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1) -> None:
        if width > 0 and height > 0:
            faint = f' fill-opacity="{opacity}"' if opacity < 1 else ""
            self._parts.append(
                f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" '
                f'fill="{colour}"{faint}/>'
            )

    def document(self, height: int) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif">'
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>{"".join(self._parts)}</svg>'
        )


def _timeline(drawing: _Drawing, frame: Frame, shown: Sequence[int], window: slice, *, top: int) -> None:
    left, right = _MARGIN + _AXIS, _WIDTH - _MARGIN
    edges = frame.edges_s
    span = edges[-1] - edges[0]

    def x(moment_s: float) -> float:
        return float(left + (moment_s - edges[0]) / span * (right - left))

    stacks = frame.ops[:, shown]
    most = max(stacks.sum(axis=1).max(), 1)
    drawing.text(_MARGIN, top + 14, "Events over time", size=13, weight=600)
    y0, height = top + 170, 140
    _axis(drawing, [(y0, "0"), (y0 - height, _short(most))])
    for i in range(len(edges) - 1):
        base = float(y0)
        opacity = 1 if window.start <= i < window.stop else 0.25
        width = max(x(edges[i + 1]) - x(edges[i]) - 0.4, 0.6)
        for column, op in enumerate(shown):
            tall = float(stacks[i, column] / most * height)
            base -= tall
            drawing.box(x(edges[i]), base, width, tall, style.OPERATION_COLOURS[OPS[op]], opacity)
    zone = ZoneInfo(frame.tz)
    for part in range(6):
        moment = float(edges[0] + span * part / 5)
        when = from_seconds(moment, zone)
        words = to_minutes(when) if span < 40 * 86_400 else when.date().isoformat()
        anchor = "start" if part == 0 else "end" if part == 5 else "middle"
        drawing.text(x(moment), y0 + 18, words, size=11, colour=_MUTED, anchor=anchor)
    drawing.text(right, top + 14, f"times in {frame.tz}", size=11, colour=_MUTED, anchor="end")

    drawing.text(_MARGIN, top + 212, "Size change", size=13, weight=600)
    drawing.text(_MARGIN + 86, top + 212, "bytes added (up) and removed (down)", size=11, colour=_MUTED)
    middle, reach = top + 248, 28
    largest = max(frame.sizes.max(), 1)
    marks = [(middle - reach, "+" + style.bytes_in_words(largest)), (middle, "0")]
    _axis(drawing, [*marks, (middle + reach, "−" + style.bytes_in_words(largest))])
    for i in range(len(edges) - 1):
        opacity = 1 if window.start <= i < window.stop else 0.25
        width = max(x(edges[i + 1]) - x(edges[i]) - 0.4, 0.6)
        added, removed = (float(v / largest * reach) for v in frame.sizes[i])
        drawing.box(x(edges[i]), middle - added, width, added, style.BLUE, opacity)
        drawing.box(x(edges[i]), middle, width, removed, style.RED, opacity)


def _axis(drawing: _Drawing, marks: Sequence[tuple[float, str]]) -> None:
    for y, words in marks:
        drawing.box(_MARGIN + _AXIS, y, _WIDTH - 2 * _MARGIN - _AXIS, 1, _GRID)
        drawing.text(_MARGIN + _AXIS - 6, y + 4, words, size=11, colour=_MUTED, anchor="end")


def _bars(
    drawing: _Drawing, left: int, top: int, width: int, title: str, items: Sequence[tuple[str, float, str]]
) -> None:
    drawing.text(left, top + 14, title, size=13, weight=600)
    most = max((n for _, n, _ in items), default=1) or 1
    for i, (label, n, colour) in enumerate(items):
        y = top + 26 + i * _ROW
        drawing.box(left, y, width * n / most, _ROW - 3, colour, 0.35)
        drawing.text(left + 5, y + 13, style.shortened(visible(label), 34))
        drawing.text(left + width - 4, y + 13, _short(n), colour=_MUTED, anchor="end")


def _largest(labels: Sequence[str], values: Sequence[float]) -> list[tuple[str, float, str]]:
    ordered = sorted(zip(labels, values, strict=True), key=lambda pair: -pair[1])
    return [(label, float(n), style.BLUE) for label, n in ordered[:_BARS] if n]


def _hours(drawing: _Drawing, left: int, top: int, width: int, frame: Frame, window: slice) -> None:
    values = frame.hours[window].sum(axis=0).reshape(7, 24)
    most = max(values.max(), 1)
    drawing.text(left, top + 14, "Hour × weekday", size=13, weight=600)
    drawing.text(
        left + width,
        top + 14,
        f"0 to {_short(most)} events, {frame.tz}",
        size=11,
        colour=_MUTED,
        anchor="end",
    )
    cell, tall = (width - 36) / 24, 20
    for day in range(7):
        drawing.text(left + 30, top + 40 + day * tall, WEEKDAYS[day], size=11, colour=_MUTED, anchor="end")
        for hour in range(24):
            share = float((values[day, hour] / most) ** 0.5)
            drawing.box(left + 36 + hour * cell, top + 26 + day * tall, cell - 1, tall - 1, _shade(share))
    for hour in range(0, 24, 3):
        x = left + 36 + (hour + 0.5) * cell
        drawing.text(x, top + 26 + 7 * tall + 14, f"{hour:02}", size=11, colour=_MUTED, anchor="middle")


def _shade(share: float) -> str:
    """From the grid's grey to blue."""
    ends = ((0xEC, 0x00), (0xEF, 0x72), (0xF2, 0xB2))
    return "#" + "".join(f"{round(low + (high - low) * share):02x}" for low, high in ends)


def _short(n: float) -> str:
    if abs(n) < 10_000:
        return f"{n:,.0f}"
    return style.bytes_in_words(n).removesuffix("B").replace("G", "bn").replace(" ", " ").strip()
