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
    """Guid of the containing directory; ``None``, empty or the object's own at a cloud folder's root."""
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


def directory_of(guid: str, parent_guid: str | None) -> str | None:
    """Guid of the directory that holds an object; ``None`` at a cloud folder's root, however it says so.

    >>> [directory_of("root", parent) for parent in (None, "", "root", "above")]
    [None, None, None, 'above']
    """
    return None if parent_guid in {"", guid} else parent_guid


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


def feeds_schema() -> pa.Schema:
    """Schema of ``feeds``: what each feed is of; the last row of a feed counts.

    ``portal`` is host and, unless it is the usual one, port; ``tenant`` and ``user`` are null where they are
    not known or do not matter; ``cloud_folders`` lists uids with commas, and is empty for all of them.
    """
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("feed", pa.string()),
            pa.field("portal", pa.string()),
            pa.field("context", pa.string()),
            pa.field("tenant", pa.string()),
            pa.field("user", pa.string()),
            pa.field("cloud_folders", pa.string()),
            pa.field("since", pa.timestamp("us", "UTC")),
        ]
    )


def activity_schema() -> pa.Schema:
    """Schema of ``activity``: each observed state, by what it changed. Sizes in bytes, times in UTC.

    ========================  =====================================================================
    ``feed``, ``seq``         the raw event; ``seq`` is null for a deletion inferred by a resync
    ``at``                    when it happened: ``portal_modified_date``, or where it tells no time that
                              every time zone has a date for, ``collected_at``
    ``collected_at``          when the batch was sealed
    ``phase``                 ``baseline`` (first inventory) or ``live``
    ``op``                    ``created``, ``modified``, ``renamed``, ``moved``, ``deleted``, ``restored``,
                              ``acl_changed`` or ``unchanged``
    ``type`` … ``folder_id``  the object
    ``cloud_folder``          name of the cloud folder then; null where it is unknown
    ``path``                  ``<cloud folder>/dir/…/name`` then; begins with ``?`` where it is unknown
    ``old_path``              the path before, where name or directory changed
    ``extension``             of a file: lower case, without a dot, empty when there is none
    ``depth``                 directories above: 0 is the cloud folder itself
    ``size``, ``size_delta``  after the change, and by how much a file's size changed; null for folders,
                              and where 64 bits do not hold it
    ``deleted``               whether the object is gone
    ``acl_changed``           whether the security descriptor changed; then ``acl`` and ``old_acl`` hold it
    ``parent_guid``, ``id``   the directory (``old_parent_guid`` where it changed); the key of Direct IO
    ``epoch``, ``batch``      as in ``events``
    ``pos``                   place in the order of changes: ``seq``, put right within a batch
    ``missing``               guid of the nearest unknown directory in ``path``; ``old_missing`` likewise
    ========================  =====================================================================
    """
    import pyarrow as pa

    time = pa.timestamp("us", "UTC")
    return pa.schema(
        [
            pa.field("feed", pa.string()),
            pa.field("seq", pa.int64()),
            pa.field("at", time),
            pa.field("collected_at", time),
            pa.field("phase", pa.string()),
            pa.field("op", pa.string()),
            pa.field("type", pa.string()),
            pa.field("guid", pa.string()),
            pa.field("folder_id", pa.int64()),
            pa.field("cloud_folder", pa.string()),
            pa.field("path", pa.string()),
            pa.field("old_path", pa.string()),
            pa.field("name", pa.string()),
            pa.field("extension", pa.string()),
            pa.field("depth", pa.int32()),
            pa.field("size", pa.int64()),
            pa.field("size_delta", pa.int64()),
            pa.field("deleted", pa.bool_()),
            pa.field("file_timestamp", time),
            pa.field("acl_changed", pa.bool_()),
            pa.field("parent_guid", pa.string()),
            pa.field("old_parent_guid", pa.string()),
            pa.field("id", pa.int64()),
            pa.field("acl", pa.string()),
            pa.field("old_acl", pa.string()),
            pa.field("epoch", pa.int32()),
            pa.field("batch", pa.int64()),
            pa.field("pos", pa.int64()),
            pa.field("missing", pa.string()),
            pa.field("old_missing", pa.string()),
        ]
    )


def objects_schema() -> pa.Schema:
    """Schema of ``objects``: the last states of objects, appended; a row is current unless one replaces it.

    ``rid`` numbers the rows of a feed and ``replaces`` is the ``rid`` of the object's row before, so the
    current state is the rows that no ``replaces`` names. ``directory`` is the guid by which ``folders`` gives
    the path: the object's own for a folder, its parent's for a file. ``deleted`` is the object's own
    tombstone; what went with a folder is found through ``folders.gone_pos``.
    """
    import pyarrow as pa

    time = pa.timestamp("us", "UTC")
    return pa.schema(
        [
            pa.field("feed", pa.string()),
            pa.field("folder_id", pa.int64()),
            pa.field("guid", pa.string()),
            pa.field("type", pa.string()),
            pa.field("name", pa.string()),
            pa.field("extension", pa.string()),
            pa.field("parent_guid", pa.string()),
            pa.field("directory", pa.string()),
            pa.field("size", pa.int64()),
            pa.field("deleted", pa.bool_()),
            pa.field("file_timestamp", time),
            pa.field("portal_modified_date", time),
            pa.field("first_seen_at", time),
            pa.field("id", pa.int64()),
            pa.field("acl", pa.string()),
            pa.field("gvsn", pa.string()),
            pa.field("batch", pa.int64()),
            pa.field("pos", pa.int64()),
            pa.field("rid", pa.int64()),
            pa.field("replaces", pa.int64()),
        ]
    )


def folders_schema() -> pa.Schema:
    """Schema of ``folders``: directories with their current paths, appended like :func:`objects_schema`.

    ``rooted`` tells a cloud folder's root from a folder whose parent is not known. ``deleted_pos`` is the
    ``pos`` at which the folder itself was deleted, ``gone_pos`` the latest such ``pos`` of the folder and all
    above it: what was last seen before it is gone with it. ``missing`` is the guid of the nearest unknown
    directory above.
    """
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("feed", pa.string()),
            pa.field("folder_id", pa.int64()),
            pa.field("guid", pa.string()),
            pa.field("name", pa.string()),
            pa.field("parent_guid", pa.string()),
            pa.field("cloud_folder", pa.string()),
            pa.field("path", pa.string()),
            pa.field("depth", pa.int32()),
            pa.field("rooted", pa.bool_()),
            pa.field("deleted_pos", pa.int64()),
            pa.field("gone_pos", pa.int64()),
            pa.field("missing", pa.string()),
            pa.field("batch", pa.int64()),
            pa.field("rid", pa.int64()),
            pa.field("replaces", pa.int64()),
        ]
    )


def observations_schema() -> pa.Schema:
    """Schema of ``observations``: what was learned beside the feed, and kept: the feed will not repeat it.

    ``kind`` is ``ancestor`` (a folder as the Portal's ``ancestors`` gave it), ``unknown`` (the Portal knows
    no such folder) or ``inventory`` (the inventory of ``epoch`` was complete at ``batch``). An answer counts
    as the folder's first state; ``batch`` and ``pos`` tell behind which event of the feed it was given.
    """
    import pyarrow as pa

    time = pa.timestamp("us", "UTC")
    return pa.schema(
        [
            pa.field("feed", pa.string()),
            pa.field("kind", pa.string()),
            pa.field("epoch", pa.int32()),
            pa.field("batch", pa.int64()),
            pa.field("pos", pa.int64()),
            pa.field("observed_at", time),
            pa.field("folder_id", pa.int64()),
            pa.field("guid", pa.string()),
            pa.field("type", pa.string()),
            pa.field("name", pa.string()),
            pa.field("parent_guid", pa.string()),
            pa.field("deleted", pa.bool_()),
            pa.field("file_timestamp", time),
            pa.field("portal_modified_date", time),
            pa.field("id", pa.int64()),
            pa.field("size", pa.int64()),
            pa.field("acl", pa.string()),
            pa.field("gvsn", pa.string()),
        ]
    )
