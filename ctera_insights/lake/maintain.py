"""Compaction, clean-up and checkpoints: what keeps a table quick however many batches it takes.

Small files are merged by tiers of size, so that a row is rewritten a few times in its life, not at each turn.
What a merge replaces stays on disk for a grace period, for those who still read an older snapshot.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import FileDamaged, StoreFenced
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.checkpoint import checkpoint, drop_checkpoints
from ctera_insights.lake.intact import open_intact, row_groups
from ctera_insights.lake.names import MAINTENANCE, RESERVED
from ctera_insights.lake.sweep import remove_replaced, remove_staged
from ctera_insights.lake.table import ROW_GROUP_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from ctera_insights.lake.snapshot import DataFile
    from ctera_insights.lake.table import Table

KEEP_REPLACED_HOURS: Final = 1.0
TARGET_BYTES: Final = 128 * 2**20
"""Files of this size and more are left as they are."""
MERGE_ROWS: Final = 2 * ROW_GROUP_ROWS
"""Rows held in memory, and sorted together, while merging."""
FANOUT: Final = 8
"""Files of one tier that make up a file of the next."""
_APP: Final = f"{RESERVED}compaction"


@dataclass(frozen=True, slots=True)
class Maintained:
    """What was done to a table."""

    merged: int = 0
    into: int = 0
    removed: int = 0


@bordered
def maintain(
    table: Table, *, everything: bool = False, keep_replaced_hours: float = KEEP_REPLACED_HOURS
) -> Maintained:
    """Merge small files, remove what was replaced long enough ago and what no commit names.

    Args:
        table: what to maintain.
        everything: merge all files below the target size, not only full tiers.
        keep_replaced_hours: how long replaced files stay for readers of older snapshots.

    Raises:
        FileDamaged: a file to be merged is not what was written. It stays as it is, and so does everything
            that was replaced, of which it may be made good; the other files were merged.
    """
    with table.locks.maintenance() as mine:
        if not mine:  # another process is at it
            return Maintained()
        remove_staged(table, mine=[MAINTENANCE])
        merged = into = 0
        damage: FileDamaged | None = None
        for group in list(_groups(table.snapshot().files, everything=everything)):
            try:
                if _merge(table, group):
                    merged, into = merged + len(group), into + 1
            except FileDamaged as error:
                damage = error
        if damage:
            raise damage
        removed = remove_replaced(table, keep_replaced_hours)
        if keep_replaced_hours > 0 or not drop_checkpoints(table):
            checkpoint(table)
    return Maintained(merged, into, removed)


def _groups(files: Sequence[DataFile], *, everything: bool) -> Iterator[list[DataFile]]:
    """Files to merge with one another: of one partition, and of one tier or (``everything``) any size."""
    tiers: dict[tuple[object, ...], list[DataFile]] = defaultdict(list)
    for file in files:
        if file.size_bytes < TARGET_BYTES:
            tier = 0 if everything else int(math.log(max(file.size_bytes, 1), FANOUT))
            tiers[*file.partition.values(), tier].append(file)
    for members in tiers.values():
        members.sort(key=lambda file: (str(file.min.get("feed")), file.min.get("seq") or 0, file.path))
        group: list[DataFile] = []
        for file in members:
            group.append(file)
            if sum(member.size_bytes for member in group) >= TARGET_BYTES:
                yield group
                group = []
        if len(group) >= (2 if everything else FANOUT):
            yield group


def _merge(table: Table, group: Sequence[DataFile]) -> bool:
    """Replace some files by one that holds their rows; whether it was ours that counted."""
    version = (table.transaction(_APP) or 0) + 1
    added = table.write_merged(_read(table, group), group[0].partition)
    try:
        table.commit([added], group, app_id=_APP, version=version, data_change=False)
    except StoreFenced:  # merged by another process in the meantime; our file is withdrawn
        return False
    return True


def _read(table: Table, group: Sequence[DataFile]) -> Iterator[pa.Table]:
    """The rows of some files in pieces that fit in memory, each in the table's order."""
    import pyarrow as pa

    pieces: list[pa.Table] = []
    rows = 0
    for file in group:
        parquet = open_intact(table.place, file.path, size_bytes=file.size_bytes, dictionary=table.dictionary)
        for piece in row_groups(table.place, file.path, parquet):
            pieces.append(piece)
            rows += len(piece)
            if rows >= MERGE_ROWS:
                yield pa.concat_tables(pieces).unify_dictionaries()
                pieces, rows = [], 0
    if pieces:
        yield pa.concat_tables(pieces).unify_dictionaries()
