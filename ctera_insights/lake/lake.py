"""A lake: the directory or bucket prefix that holds the tables of one installation."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from ctera_insights import model
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.locks import Locks
from ctera_insights.lake.names import MAINTENANCE, owner_of
from ctera_insights.lake.place import place
from ctera_insights.lake.table import Table

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from ctera_insights.lake.check import Finding
    from ctera_insights.lake.status import Status

REPEATING: Final = (
    "feed",
    "phase",
    "type",
    "parent_guid",
    "virtual_portal_id",
    "acl",
    "cursor",
    "reason",
)
"""Columns whose values repeat and are stored as dictionaries."""


class Lake:
    """The tables under one path or URL.

    Args:
        uri: a local directory, or ``s3://bucket/prefix``.
        storage_options: for object stores, credentials and endpoint by their usual names
            (``AWS_ACCESS_KEY_ID`` …); unset ones come from the environment.

    Example:
        >>> lake = Lake("data")
        >>> lake.events.exists()
        False
    """

    def __init__(self, uri: str | os.PathLike[str], storage_options: Mapping[str, str] | None = None) -> None:
        self.place = place(uri, storage_options)
        self.locks = Locks(self.place)

    def __repr__(self) -> str:
        return f"Lake({self.place.uri!r})"

    @property
    def uri(self) -> str:
        """Where the lake lies."""
        return self.place.uri

    @cached_property
    def events(self) -> Table:
        """Raw states as they were served, by :func:`ctera_insights.model.events_schema`."""
        return self.table(
            "events",
            model.events_schema(),
            partition_by=("collected_on",),
            sort_by=("folder_id", "portal_modified_date"),
            statistics=("feed", "seq", "batch", "folder_id", "portal_modified_date", "collected_at"),
            beside=("quarantine", "activity", "objects", "folders", "observations"),
        )

    @cached_property
    def quarantine(self) -> Table:
        """Entries that could not be read, by :func:`ctera_insights.model.quarantine_schema`."""
        return self.table(
            "quarantine",
            model.quarantine_schema(),
            partition_by=("collected_on",),
            statistics=("feed", "batch", "collected_at"),
        )

    @cached_property
    def feeds(self) -> Table:
        """What each feed is of, by :func:`ctera_insights.model.feeds_schema`."""
        return self.table("feeds", model.feeds_schema())

    def table(
        self,
        name: str,
        schema: pa.Schema,
        *,
        partition_by: tuple[str, ...] = (),
        sort_by: tuple[str, ...] = (),
        statistics: tuple[str, ...] = (),
        dictionary: tuple[str, ...] | None = None,
        derived: bool = False,
        beside: tuple[str, ...] = (),
        writer: str = "",
    ) -> Table:
        """A table of the lake, which need not exist yet.

        Args:
            name: directory below the lake.
            schema: all columns, partition columns included.
            partition_by: none or one column.
            sort_by: order of rows inside a row group.
            statistics: columns whose minimum and maximum the Delta log keeps per file.
            dictionary: columns whose values repeat; by default those of :data:`REPEATING`.
            derived: whether its rows can be derived anew.
            beside: names of tables that cannot hold data without this one.
            writer: the stream under whose lock the table is written, if under that of one.
        """
        return Table(
            place=self.place.child(name),
            schema=schema,
            locks=self.locks,
            partition_by=partition_by,
            sort_by=sort_by,
            statistics=statistics,
            dictionary=tuple(n for n in schema.names if n in REPEATING) if dictionary is None else dictionary,
            derived=derived,
            beside=tuple(self.place.child(each) for each in beside),
            owner=owner_of(writer) if writer else MAINTENANCE,
        )

    def raw_tables(self) -> list[Table]:
        """The tables that exist of those that nothing can derive anew: events, quarantine, feeds."""
        return [table for table in (self.events, self.quarantine, self.feeds) if table.exists()]

    @bordered
    def status(self) -> Status:
        """What the lake holds, and where each feed stands; costs no scan of the data.

        Raises:
            StoreNotFound: nothing was ever collected there.
        """
        from ctera_insights.lake.status import read_status

        return read_status(self)

    @bordered
    def check(
        self,
        progress: Callable[[int, int], None] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> list[Finding]:
        """Read every file and hold it against the log and its checksum; an empty list means sound.

        Args:
            progress: called with (files read, files in all).
            note: called with a sentence on what could not be judged.

        Raises:
            StoreNotFound: nothing was ever collected there.
            StoreDamaged: a log is lost, or cannot be read.
        """
        from ctera_insights.lake.check import check_lake

        return check_lake(self, progress, note)
