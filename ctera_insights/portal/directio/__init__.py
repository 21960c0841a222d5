"""Direct IO: the content of files. Names are loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.portal.directio.blocks import Block, BlockInfo, FileMetadata
    from ctera_insights.portal.directio.client import DirectIO
    from ctera_insights.portal.directio.download import Downloaded

__all__ = ["Block", "BlockInfo", "DirectIO", "Downloaded", "FileMetadata"]

_HOME = {
    "Block": "blocks",
    "BlockInfo": "blocks",
    "DirectIO": "client",
    "Downloaded": "download",
    "FileMetadata": "blocks",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
