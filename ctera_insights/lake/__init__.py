"""The lake: Delta tables of raw events, appended with their cursor in one commit each."""

from ctera_insights.lake.check import Finding
from ctera_insights.lake.feeds import Origin, admit, feed_name, overlaps
from ctera_insights.lake.lake import Lake
from ctera_insights.lake.maintain import KEEP_REPLACED_HOURS, Maintained, maintain
from ctera_insights.lake.position import Position, read_position
from ctera_insights.lake.snapshot import DataFile, Snapshot
from ctera_insights.lake.status import FeedStatus, Status
from ctera_insights.lake.table import Table
from ctera_insights.lake.writer import FeedWriter, Rejected

__all__ = [
    "KEEP_REPLACED_HOURS",
    "DataFile",
    "FeedStatus",
    "FeedWriter",
    "Finding",
    "Lake",
    "Maintained",
    "Origin",
    "Position",
    "Rejected",
    "Snapshot",
    "Status",
    "Table",
    "admit",
    "feed_name",
    "maintain",
    "overlaps",
    "read_position",
]
