"""How programs save files, told from names: so that a save is one file written, not files come and gone."""

from __future__ import annotations

from typing import Final

YOUNG_S: Final = 60.0
"""A file that was first seen longer ago than this is no temporary one, whatever its name."""

_MARKS: Final = (".tmp", ".temp", ".part", ".partial", ".new", ".swp", ".swx", ".crdownload")


def is_temporary(name: str, target: str) -> bool:
    """Say whether a file that is renamed over ``target`` was only a way to write that one.

    Vim, Emacs, LibreOffice, Microsoft Office, GNOME, rsync and ``sed -i`` write a new file beside the old one
    and rename it; its name starts with a dot, ``~`` or ``sed``, ends in ``~`` or a word for temporary, or
    contains the name of the file.
    """
    return (
        name.startswith((".", "~"))
        or name.endswith("~")
        or name.lower().endswith(_MARKS)
        or target in name
        or (name.startswith("sed") and len(name) == 9)
    )


def is_backup(name: str, target: str) -> bool:
    """Say whether a file was renamed to be kept while ``target`` is written anew, as Vim and Emacs do."""
    return name == target + "~"
