"""The content of collected files: mirrored to a directory, hashed, compared. Names load when first used.

The selection is SQL over ``objects``, the transfer is Direct IO.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.mirror.content import Duplicates, duplicates, hash_content
    from ctera_insights.mirror.matching import download
    from ctera_insights.mirror.names import local_path
    from ctera_insights.mirror.select import RemoteFile, remote_files
    from ctera_insights.mirror.transfer import Failure, MirrorProgress, MirrorReport, mirror

__all__ = [
    "Duplicates",
    "Failure",
    "MirrorProgress",
    "MirrorReport",
    "RemoteFile",
    "download",
    "duplicates",
    "hash_content",
    "local_path",
    "mirror",
    "remote_files",
]

_HOME = {
    "Duplicates": "content",
    "Failure": "transfer",
    "MirrorProgress": "transfer",
    "MirrorReport": "transfer",
    "RemoteFile": "select",
    "download": "matching",
    "duplicates": "content",
    "hash_content": "content",
    "local_path": "names",
    "mirror": "transfer",
    "remote_files": "select",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
