"""From the path of an object to a path below a directory, whatever its names are."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Final

RECORD_NAME: Final = ".ctera-insights-mirror.jsonl"
"""What a mirror keeps at its top, see :mod:`ctera_insights.mirror.record`."""

_NAME_BYTES: Final = 255
_ESCAPED: Final = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_WINDOWS_CHARACTERS: Final = re.compile(r'[\x01-\x1f\x7f<>:"|?*\\]')
_WINDOWS_DEVICES: Final = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\.|$)", re.IGNORECASE
)
_OWN: Final = re.compile(r"\.(.*\.part(\.json(\.new)?)?|ctera-insights-mirror\.jsonl(\.new)?)", re.DOTALL)


def local_path(path: str, *, portable: bool = os.name == "nt") -> tuple[str, ...]:
    """Map the path of an object to names below a directory.

    Names stay as they are where the file system can hold them. Else, and so that no two paths become one:

    * empty parts of a path vanish: there is no absolute path;
    * ``.`` and ``..`` become ``%2E`` and ``%2E%2E``; NUL becomes ``%00``;
    * half of a surrogate pair becomes the percent-encoded bytes of its UTF-8;
    * ``%`` followed by two hexadecimal digits becomes ``%25``, so that it is not taken for one of these;
    * names that a mirror uses itself (``.NAME.part`` and the like) get ``%2E`` for the first dot;
    * with ``portable``, which is the rule on Windows, control characters, ``< > : " | ? *`` and backslash,
      a last dot or space, and the first letter of a device name (``CON``, ``nul.txt``) are percent-encoded;
    * a name longer than 255 bytes is cut, and ``~`` with 16 digits of its SHA-256 and its extension added.

    Args:
        path: parts separated by ``/``.
        portable: whether the names must suit every file system.

    Raises:
        ValueError: the path has no names.

    >>> "/".join(local_path("/Team/../etc/passwd"))
    'Team/%2E%2E/etc/passwd'
    >>> "/".join(local_path("C:/con.txt", portable=True))
    'C%3A/%63on.txt'
    """
    names = tuple(_name(part, portable) for part in path.split("/") if part)
    if not names:
        raise ValueError("the path has no names")
    return names


def distinct(name: str, file_id: int) -> str:
    """Another name for a file whose own is taken, e.g. by one that differs in case only.

    >>> distinct("report.docx", 12)
    'report~12.docx'
    """
    stem, dot, extension = name.rpartition(".")
    if not stem:
        stem, dot, extension = name, "", ""
    return _fitted(f"{stem}~{file_id}{dot}{extension}")


def _name(part: str, portable: bool) -> str:
    name = _ESCAPED.sub("%25", part).replace("\0", "%00")
    if name in {".", ".."}:
        return name.replace(".", "%2E")
    if _OWN.fullmatch(name):
        name = "%2E" + name[1:]
    if portable:
        name = _WINDOWS_CHARACTERS.sub(lambda found: f"%{ord(found[0]):02X}", name)
        if name[-1] in ". ":
            name = f"{name[:-1]}%{ord(name[-1]):02X}"
        if _WINDOWS_DEVICES.match(name):
            name = f"%{ord(name[0]):02X}{name[1:]}"
    try:
        name.encode()
    except UnicodeEncodeError:
        name = "".join(_percent(c) if "\ud800" <= c <= "\udfff" else c for c in name)
    return _fitted(name)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _fitted(name: str) -> str:
    if len(name.encode()) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > 16:
        stem, dot, extension = name, "", ""
    end = f"~{digest}{dot}{extension}"
    room = _NAME_BYTES - len(end.encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + end
