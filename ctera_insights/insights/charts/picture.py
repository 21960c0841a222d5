"""A drawn picture: static PNG in every notebook view, SVG, PNG or PDF as a file; no browser, no network."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctera_insights.errors import UsageError
from ctera_insights.output import output

if TYPE_CHECKING:
    import altair as alt

_SCALE = 2.0
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Picture:
    """A picture of a result.

    It shows as PNG in JupyterLab, in nbconvert's HTML and in a code host's notebook view alike. ``chart`` is
    the Altair chart underneath, for those who want to change or combine it.

    Attributes:
        chart: the Altair chart.
        title: what it shows, in words; also the text that stands for the picture where pictures cannot be
        shown.
    """

    def __init__(self, chart: alt.TopLevelMixin, title: str) -> None:
        self.chart = chart
        self.title = title

    def png(self, *, scale: float = _SCALE) -> bytes:
        """The picture as PNG; ``scale`` is the number of device pixels a pixel."""
        import vl_convert

        return _packed(vl_convert.vegalite_to_png(self._spec(), scale=scale))

    def svg(self) -> str:
        """The picture as an SVG document."""
        import vl_convert

        text: str = vl_convert.vegalite_to_svg(self._spec())
        return text

    def save(self, path: str | Path, *, scale: float = _SCALE) -> Path:
        """Write the picture to a file whose ending says how.

        Endings: ``.png``, ``.svg``, ``.pdf`` and ``.json`` (Vega-Lite).

        Raises:
            UsageError: the ending is another one.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending not in {".png", ".svg", ".pdf", ".json"}:
            raise UsageError(f"A picture is written as .png, .svg, .pdf or .json, not as {path.name}")
        with output(path) as staged:
            if ending == ".png":
                staged.write_bytes(self.png(scale=scale))
            elif ending == ".svg":
                staged.write_text(self.svg(), encoding="utf-8")
            elif ending == ".pdf":
                import vl_convert

                staged.write_bytes(vl_convert.vegalite_to_pdf(self._spec()))
            else:
                import json

                staged.write_text(json.dumps(self._spec(), indent=1), encoding="utf-8")
        return path

    def _spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = _in_xml(self.chart.to_dict())
        return spec

    def __repr__(self) -> str:
        return f"[picture: {self.title}]"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from base64 import b64encode

        data = self.png()
        width, height = struct.unpack(">II", data[16:24])
        size = {"width": round(width / _SCALE), "height": round(height / _SCALE)}
        bundle = {"image/png": b64encode(data).decode("ascii"), "text/plain": repr(self)}
        return bundle, {"image/png": size}


def _in_xml(value: Any) -> Any:
    """The same with texts that XML can hold: the renderer measures each text as SVG, and aborts on others."""
    if isinstance(value, str):
        return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_in_xml(key): _in_xml(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_xml(item) for item in value]
    return value


def _packed(png: bytes) -> bytes:
    """The same PNG, its pixels packed as tightly as deflate can: a quarter of what the renderer writes."""
    parts, pixels, at = [png[:8]], [], 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IDAT":
            pixels.append(png[at + 8 : at + 8 + length])
        elif kind == b"IEND":
            data = zlib.compress(zlib.decompress(b"".join(pixels)), 9)
            crc = zlib.crc32(b"IDAT" + data)
            parts += [struct.pack(">I", len(data)), b"IDAT", data, struct.pack(">I", crc), png[at:]]
        else:
            parts.append(png[at : at + 12 + length])
        at += 12 + length
    return b"".join(parts)
