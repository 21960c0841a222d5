"""Asking the Portal for directories that the feed never told of: each at most once ever, a few at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ctera_insights.errors import (
    AncestorsNotFound,
    AnswerTooLarge,
    PortalError,
    PortalStatusError,
    UnreadableAnswer,
)
from ctera_insights.model import directory_of, observations_schema
from ctera_insights.values import moment

if TYPE_CHECKING:
    import pyarrow as pa

    from ctera_insights.model import Event

Ancestors = Callable[[int, str], Awaitable[Sequence["Event"]]]
"""``await ancestors(folder_id, guid)``: the object with all above it, the cloud folder's root first."""

AT_ONCE: Final = 8
"""Requests under way at the same time."""
FAILURES: Final = 8
"""Objects over which the Portal fails, before asking ends: one is no reason not to ask for the next."""
ONE_S: Final = 60.0
"""How long one object is asked for, all attempts included; those of a feed that is followed have no end."""
_OF_ONE_OBJECT: Final = (UnreadableAnswer, PortalStatusError, AnswerTooLarge)
"""What may be over one object alone."""


class Answers(NamedTuple):
    """What came of asking.

    Attributes:
        rows: for ``observations``.
        asked: requests made.
        trouble: why some were not asked, or not answered in a way that can be read, or ``None``; they are
            asked another time.
    """

    rows: pa.Table
    asked: int
    trouble: PortalError | None


async def ask(
    ancestors: Ancestors, unknown: Sequence[tuple[int, str]], *, feed: str, batch: int, pos: int
) -> Answers:
    """Ask for unknown directories; one that another's answer tells of is not asked any more.

    Args:
        ancestors: how to ask; raises :class:`AncestorsNotFound` for an object that the Portal does not know.
        unknown: pairs of ``folder_id`` and ``guid``.
        feed: the feed that lacks them.
        batch: the batch behind which the answers count.
        pos: the place in the order of changes behind which they count.
    """
    import pyarrow as pa

    told: dict[tuple[int, str], dict[str, Any]] = {}
    keys = [key for key in unknown if key[0] >= 0]
    random.shuffle(keys)  # so that those which fail each time do not come first each time
    waiting = iter(keys)
    asked = 0
    trouble: PortalError | None = None
    failures: list[PortalError] = []

    async def work() -> None:
        nonlocal asked, trouble
        for folder_id, guid in waiting:
            if trouble is not None or len(failures) >= FAILURES:
                return
            if (folder_id, guid) in told:
                continue
            asked += 1
            try:
                lineage = await _within(ONE_S, ancestors, folder_id, guid)
            except AncestorsNotFound:
                lineage = ()
            except _OF_ONE_OBJECT as error:
                failures.append(error)
                continue
            except PortalError as error:
                trouble = error
                return
            for row in _rows(folder_id, lineage):
                told.setdefault((folder_id, row["guid"]), row)
            told.setdefault((folder_id, guid), {"kind": "unknown", "folder_id": folder_id, "guid": guid})

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    constants = {"feed": feed, "batch": batch, "pos": pos, "observed_at": datetime.now(UTC)}
    rows = [{**constants, **row} for row in told.values()]
    trouble = trouble or (failures[-1] if failures else None)
    return Answers(pa.Table.from_pylist(rows, observations_schema()), asked, trouble)


async def _within(limit_s: float, ancestors: Ancestors, folder_id: int, guid: str) -> Sequence[Event]:
    timeout = asyncio.timeout(limit_s)
    try:
        async with timeout:
            return await ancestors(folder_id, guid)
    except TimeoutError:
        if not timeout.expired():
            raise
    raise UnreadableAnswer(
        f"The Portal told nothing of the directories above {guid!r} in cloud folder {folder_id} in "
        f"{limit_s:.0f} s, all attempts included."
    )


def _rows(folder_id: int, lineage: Sequence[Event]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for event in lineage:
        if not event.guid or not event.name:
            continue
        above = rows[-1]["guid"] if rows else None
        rows.append(
            {
                "kind": "ancestor",
                "folder_id": folder_id,
                "guid": event.guid,
                "type": event.type or "folder",
                "name": event.name,
                "parent_guid": directory_of(event.guid, event.parent_guid) or directory_of(event.guid, above),
                "deleted": bool(event.deleted),
                "file_timestamp": moment(event.file_timestamp or "").time,
                "portal_modified_date": moment(event.portal_modified_date or "").time,
                "id": event.id,
                "size": event.size,
                "acl": event.acl,
                "gvsn": event.gvsn,
            }
        )
    return rows
