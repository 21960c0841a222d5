"""The Portal's XML: ``<val>``, ``<list>`` and ``<obj>`` with ``<att>``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Value = str | int | bool | None | list["Value"] | dict[str, "Value"]
"""A decoded value; all scalars come as text."""


def write(value: object) -> str:
    """Encode text, a number, a bool, or a sequence of encoded values; ``None`` becomes nothing at all."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"<val>{str(value).lower()}</val>"
    text = _FORBIDDEN.sub("\ufffd", str(value))
    return f"<val>{escape(text)}</val>"


def write_object(class_name: str, attributes: Mapping[str, object]) -> str:
    """Encode an object; ``None`` becomes an empty attribute, a list of texts is taken as encoded objects."""
    atts = "".join(
        f"<att id={quoteattr(name)}>{write_list(value) if isinstance(value, list) else write(value)}</att>"
        for name, value in attributes.items()
    )
    return f"<obj class={quoteattr(class_name)}>{atts}</obj>"


def write_list(encoded: Sequence[str]) -> str:
    """Encode a list of values that are encoded already."""
    return f"<list>{''.join(encoded)}</list>"


def read(body: bytes) -> Value:
    """Decode a request.

    Raises:
        ValueError: it is not the Portal's XML.
    """
    try:
        return _value(ET.fromstring(body))  # noqa: S314 - expat itself bounds entity expansion
    except ET.ParseError as error:
        raise ValueError(f"Not XML: {error}") from error


def _value(element: ET.Element) -> Value:
    if element.tag == "val":
        return element.text or ""
    if element.tag == "list":
        return [_value(child) for child in element]
    if element.tag == "obj":
        return {att.get("id", ""): (_value(att[0]) if len(att) else None) for att in element}
    raise ValueError(f"Unknown element <{element.tag}>")
