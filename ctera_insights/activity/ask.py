"""Asking the Portal for directories that the feed never told of: each at most once ever, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ctera_insights.errors import AncestorsNotFound, PortalError, UnreadableAnswer
from ctera_insights.model import directory_of, observations_schema
from ctera_insights.values import moment

if TYPE_CHECKING:
    import pyarrow as pa

    from ctera_insights.model import Event

Ancestors = Callable[[int, str], Awaitable[Sequence["Event"]]]
"""``await ancestors(folder_id, guid)``: the object with all above it, the cloud folder's root first."""

AT_ONCE: Final = 8
"""Requests under way at the same time."""
UNREADABLE: Final = 8
"""Answers that cannot be read, before asking ends: one object is no reason not to ask for the next."""


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
    waiting = iter([key for key in unknown if key[0] >= 0])
    asked = 0
    trouble: PortalError | None = None
    unreadable: list[UnreadableAnswer] = []

    async def work() -> None:
        nonlocal asked, trouble
        for folder_id, guid in waiting:
            if trouble is not None or len(unreadable) >= UNREADABLE:
                return
            if (folder_id, guid) in told:
                continue
            asked += 1
            try:
                lineage = await ancestors(folder_id, guid)
            except AncestorsNotFound:
                lineage = ()
            except UnreadableAnswer as error:
                unreadable.append(error)
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
    trouble = trouble or (unreadable[-1] if unreadable else None)
    return Answers(pa.Table.from_pylist(rows, observations_schema()), asked, trouble)


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
