"""Standard output and error as the commands need them: there, and able to take any text."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

ESCAPES: Final = "ctera_insights.escapes"
"""The name under which Python knows how to write what an encoding has no sign for."""

_ASCII: Final = codecs.lookup("ascii")
_ASCII_BY_CHOICE: Final = "ctera_insights_ascii"
"""The same by a name of its own: click takes a stream called "ascii" for a mistake, and writes UTF-8."""

_DRAWN: Final = str.maketrans(
    {
        **dict.fromkeys("─━═╌╍╴╶╸╺", "-"),
        **dict.fromkeys("│┃║┆┊╎", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼┏┓┗┛┣┫┳┻╋┡┩╇╔╗╚╝╠╣╦╩╬╭╮╯╰┝┥┿╞╡╪", "+"),
        "…": "...",
        "·": ".",
        "•": "*",
        **{chr(braille): "." for braille in range(0x2800, 0x2900)},  # a spinner's
    }
)
_STRICT: Final = frozenset({"strict", "surrogateescape", "backslashreplace"})
"""What Python itself chooses; anything else was asked for by the user, and stays."""


def prepare() -> None:
    """Make both streams fit for any text; to be called once, before anything is written.

    A text that a stream's encoding (``PYTHONIOENCODING``, a Windows code page, the C locale) cannot hold is
    written with escapes as JSON has them (``\\u4f1a``), so that JSON stays JSON; tables are drawn in ASCII.
    A stream that was closed by the caller becomes the null device.
    """
    codecs.register_error(ESCAPES, _escape)
    codecs.register(_find_codec)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, _nothing(number))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in _STRICT:
            is_ascii = codecs.lookup(stream.encoding) == _ASCII
            stream.reconfigure(encoding=_ASCII_BY_CHOICE if is_ascii else None, errors=ESCAPES)


def takes_any_text(stream: TextIO) -> bool:
    """Whether a stream is written in UTF-8 or its like, so that data need not be reduced to ASCII.

    >>> takes_any_text(io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    False
    """
    try:
        return codecs.lookup(stream.encoding or "ascii").name.startswith("utf")
    except LookupError:
        return False


def discard_output() -> None:
    """Let what is buffered go nowhere: nobody can take it, and the interpreter must not say so again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _nothing(number: int) -> TextIO:
    """The null device at a standard descriptor, so that no file opened later takes its place."""
    stream = open(os.devnull, "r" if number == 0 else "w", encoding="utf-8")  # noqa: PTH123, SIM115  (as Python's own)
    with contextlib.suppress(OSError):
        os.set_inheritable(stream.fileno(), True)  # a kernel that we start needs it as well
    if stream.fileno() > 2:
        with contextlib.suppress(OSError):
            os.dup2(stream.fileno(), number)
    return stream


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII_BY_CHOICE:
        return None
    return codecs.CodecInfo(
        _ASCII.encode,
        _ASCII.decode,
        _ASCII.streamreader,
        _ASCII.streamwriter,
        _ASCII.incrementalencoder,
        _ASCII.incrementaldecoder,
        name=_ASCII_BY_CHOICE,
    )


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_DRAWN)
    units = text.encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(chr(pair[1]) if pair < b"\0\x80" else f"\\u{pair.hex()}" for pair in pairs), error.end
