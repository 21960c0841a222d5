"""The one place where a column is defined: the wire's event, and the Arrow schema of every table."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

BASELINE = "baseline"
"""The phase of an inventory: what existed when a feed (or a resync epoch) began."""
LIVE = "live"
"""The phase of changes seen after the inventory."""


@dataclass(slots=True)
class Event:
    """The latest state of one object, as the Notification Service tells it.

    Field names and values are the wire's own: times stay the text that the Portal sent, absent fields are
    ``None``. The old field ``modified`` is folded into ``portal_modified_date``; a key that this version
    does not know, or a value of another type than stated, is kept in ``extra``.
    """

    type: str | None = None
    """``file`` or ``folder``; another word survives as it is."""
    guid: str = ""
    """Identity of the object within its cloud folder; stable over rename, move and change."""
    deleted: bool = False
    name: str | None = None
    """Base name, not a path."""
    folder_id: int | None = None
    """The cloud folder's uid."""
    parent_guid: str | None = None
    """Guid of the containing directory; ``None`` at a cloud folder's root."""
    id: int | None = None
    """File id: the key of Direct IO."""
    size: int | None = None
    """Bytes."""
    file_timestamp: str | None = None
    """The file's own modification time, ISO 8601."""
    portal_modified_date: str | None = None
    """When the change reached the Portal, ISO 8601."""
    virtual_portal_id: str | None = None
    """Tenant id."""
    acl: str | None = None
    """Security descriptor, SDDL."""
    gvsn: str | None = None
    """Version stamp of the object."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What else the Portal sent, by its wire name."""


WIRE_FIELDS: tuple[str, ...] = tuple(f.name for f in fields(Event) if f.name != "extra")
"""The wire's field names, in the order of :class:`Event`."""


def events_schema() -> pa.Schema:
    """Schema of ``events``: raw states, the truth of the lake. Sizes in bytes, times in UTC.

    ========================  =====================================================================
    ``feed``                  name of the stream: Portal + set of cloud folders
    ``seq``                   unique in the feed, increasing in the order served
    ``batch``                 number of the commit within the feed, from 1
    ``epoch``                 1, and one more for each resync
    ``phase``                 ``baseline`` (inventory) or ``live``
    ``collected_at``          when the batch was sealed
    ``type`` … ``gvsn``       the wire's fields, see :class:`Event`
    ``extra``                 JSON object of everything the columns cannot hold, or null
    ``cursor``                the Portal's cursor after the batch (a constant of the batch)
    ``caught_up``             whether the Portal had nothing more after the batch (likewise)
    ``collected_on``          UTC day of ``collected_at``: the partition
    ========================  =====================================================================
    """
    import pyarrow as pa

    time = pa.timestamp("us", "UTC")
    return pa.schema(
        [
            pa.field("feed", pa.string()),
            pa.field("seq", pa.int64()),
            pa.field("batch", pa.int64()),
            pa.field("epoch", pa.int32()),
            pa.field("phase", pa.string()),
            pa.field("collected_at", time),
            *wire_schema(),
            pa.field("cursor", pa.string()),
            pa.field("caught_up", pa.bool_()),
            pa.field("collected_on", pa.date32()),
        ]
    )


def wire_schema() -> pa.Schema:
    """Schema of one decoded page: the wire's fields and ``extra``."""
    import pyarrow as pa

    time = pa.timestamp("us", "UTC")
    return pa.schema(
        [
            pa.field("type", pa.string()),
            pa.field("guid", pa.string()),
            pa.field("deleted", pa.bool_()),
            pa.field("name", pa.string()),
            pa.field("folder_id", pa.int64()),
            pa.field("parent_guid", pa.string()),
            pa.field("id", pa.int64()),
            pa.field("size", pa.int64()),
            pa.field("file_timestamp", time),
            pa.field("portal_modified_date", time),
            pa.field("virtual_portal_id", pa.string()),
            pa.field("acl", pa.string()),
            pa.field("gvsn", pa.string()),
            pa.field("extra", pa.string()),
        ]
    )


def quarantine_schema() -> pa.Schema:
    """Schema of ``quarantine``: entries that could not be read, byte for byte, with the reason."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("feed", pa.string()),
            pa.field("batch", pa.int64()),
            pa.field("position", pa.int64()),
            pa.field("reason", pa.string()),
            pa.field("raw", pa.binary()),
            pa.field("cursor", pa.string()),
            pa.field("collected_at", pa.timestamp("us", "UTC")),
            pa.field("collected_on", pa.date32()),
        ]
    )
