"""Small notes beside the tables: what one process wants another to see, such as the last error of deriving.

They are hints, never the truth: one that is lost or stale costs nothing but the knowledge, so a failure to
write or read one is no failure of the work.
"""

from __future__ import annotations

import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctera_insights.lake.lake import Lake

logger: Final = logging.getLogger(__name__)
GIVEN_UP: Final = "given-up"
"""The note of a repair that gave events up, because someone said so: ``gaps`` of [feed, first, last seq]."""


def leave_note(lake: Lake, name: str, content: Mapping[str, Any]) -> None:
    """Write a note, in the place of an earlier one of that name."""
    try:
        lake.place.write_bytes(_path(name), json.dumps(content).encode())
    except (LakeError, OSError) as error:
        logger.debug("The note %r could not be left: %s", name, error)


def drop_note(lake: Lake, name: str) -> None:
    """Remove a note, if there is one."""
    with contextlib.suppress(OSError):
        lake.place.remove(_path(name))


def read_note(lake: Lake, name: str) -> dict[str, Any]:
    """What a note says; nothing when there is none."""
    try:
        with lake.place.filesystem().open_input_file(_path(name)) as file:
            content = json.loads(file.read())
    except (OSError, ValueError) as error:
        if not isinstance(error, FileNotFoundError):
            logger.debug("The note %r could not be read: %s", name, error)
        return {}
    return content if isinstance(content, dict) else {}


def _path(name: str) -> str:
    return f".notes/{name}.json"
