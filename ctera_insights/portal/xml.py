"""The XML of the Portal's v1 API: ``<val>``, ``<list>`` and ``<obj>``, nothing else.

Scalars stay text: a tenant called ``007`` is ``"007"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ctera_insights.errors import UnreadableAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

XMLValue = str | list["XMLValue"] | dict[str, "XMLValue"] | None
"""A decoded value: text, list, object by attribute name, or ``None`` for an empty attribute."""


def decode(body: bytes) -> XMLValue:
    """Read one document.

    Raises:
        UnreadableAnswer: it is not XML of this kind.
    """
    if b"<!doctype" in body[:4096].lower():
        raise UnreadableAnswer("A document type came where the Portal's XML was due.")
    try:
        # The grammar has no entities, DOCTYPE is refused above, and the body is already in memory.
        root = ET.fromstring(body.strip())  # noqa: S314  (see the line above)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise UnreadableAnswer(f"The Portal's XML cannot be read: {error}.") from None
    return _value(root)


def _value(element: ET.Element) -> XMLValue:
    match element.tag:
        case "val":
            return (element.text or "").strip()
        case "list":
            return [_value(child) for child in element]
        case "obj":
            return {
                attribute.get("id", ""): _value(attribute[0]) if len(attribute) else None
                for attribute in element
                if attribute.tag == "att"
            }
    raise UnreadableAnswer(f"<{element.tag}> came where the Portal's XML was due.")


def encode(value: object) -> bytes:
    """Write text, a number, a boolean, a list or a mapping as one line without a prolog.

    ``None`` as a member is an empty attribute. A mapping may carry its class under the key ``"$class"``.
    """
    document: bytes = ET.tostring(_element(value), encoding="utf-8", short_empty_elements=False)
    return document


def _element(value: object) -> ET.Element:
    if isinstance(value, dict):
        return _obj(value)
    if isinstance(value, list | tuple):
        element = ET.Element("list")
        element.extend(_element(item) for item in value)
        return element
    element = ET.Element("val")
    element.text = str(value).lower() if isinstance(value, bool) else str(value)
    return element


def _obj(members: Mapping[str, object]) -> ET.Element:
    element = ET.Element("obj")
    for name, member in members.items():
        if name == "$class":
            element.set("class", str(member))
            continue
        attribute = ET.SubElement(element, "att", id=name)
        if member is not None:
            attribute.append(_element(member))
    return element
