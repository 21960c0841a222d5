"""What is left of a table without its log: its data files, what they hold, and what of a log survives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import FileDamaged
from ctera_insights.lake.choose import Candidate, Copy
from ctera_insights.lake.digest import named_checksum
from ctera_insights.lake.intact import open_intact, row_groups
from ctera_insights.lake.log import LOG, listing, read_entries
from ctera_insights.lake.position import told_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from ctera_insights.lake.place import Place
    from ctera_insights.lake.snapshot import DataFile
    from ctera_insights.lake.table import Table

ASIDE: Final = ".before-repair-"
"""Between the log's name and the moment at which a repair put it aside."""
_PARTITION: Final = re.compile(r"^(\w+)=([^/]+)/[^/]+$")


@dataclass
class Survivors:
    """What log entries and checkpoints that can still be read tell.

    Attributes:
        named: paths of files that were committed.
        positions: of each feed the last position told, as commit metadata.
    """

    named: set[str] = field(default_factory=set)
    positions: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Survey:
    """What lies in a table's place.

    Attributes:
        candidates: files of whole batches, readable.
        footers: Parquet metadata of these.
        sizes: size in bytes of every file.
        times: when each was written, seconds since 1970.
        damaged: files that are not what was written, and why.
        foreign: files that are none of the table's, and why.
    """

    candidates: list[Candidate] = field(default_factory=list)
    footers: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)


def survey(
    table: Table,
    named: set[str],
    progress: Callable[[], None] | None = None,
) -> Survey:
    """Read every file of a table.

    Args:
        table: which table.
        named: paths known to have been committed.
        progress: called after each file.
    """
    found = Survey()
    for path, size, time in sorted(table.place.files()):
        found.sizes[path], found.times[path] = size, time
        try:
            parquet = open_intact(table.place, path)
            if why := _foreign(table, path, parquet.schema_arrow):
                found.foreign[path] = why
                continue
            copies = _copies(table.place, path, parquet)
        except FileDamaged as error:
            found.damaged[path] = error.what
            continue
        finally:
            if progress:
                progress()
        if copies is None:
            found.foreign[path] = "holds parts of batches"
            continue
        found.footers[path] = parquet.metadata
        found.candidates.append(Candidate(path, copies, path in named))
    return found


def survivors(place: Place) -> Survivors:
    """What is left of a log; when nothing is, of the one that an interrupted repair put aside."""
    found = Survivors()
    log = _newest_log(place)
    entries, checkpoints = listing(place, log)
    for entry in read_entries(place, entries, log):
        if entry.trouble:
            continue
        found.named.update(add["path"] for add in entry.adds)
        for told in told_by(entry.metadata):
            known = found.positions.get(told["feed"])
            if known is None or int(told["batch"]) >= int(known["batch"]):
                found.positions[told["feed"]] = told
    for version in checkpoints[-1:]:
        found.named |= _named_by_checkpoint(place, f"{log}/{version:020d}.checkpoint.parquet")
    return found


def holds(found: Survey, file: DataFile, ends: Mapping[str, int]) -> bool:
    """Whether surveyed files hold every event of a file of ``events``, by what the log says of it.

    Args:
        found: the survey, without the file itself.
        file: a file of ``events``.
        ends: the last ``seq`` of each feed. Of a file of several feeds the log does not tell which events of
            each it held, so of these every event must be there.
    """
    low, high = file.min.get("feed"), file.max.get("feed")
    if low is None or high is None:
        return False
    if low == high:
        return _spans(found, low, file.min.get("seq") or 1, file.max.get("seq") or ends.get(low, 0))
    return all(_spans(found, feed, 1, end) for feed, end in ends.items() if low <= feed <= high)


def _spans(found: Survey, feed: str, due: int, last: int) -> bool:
    for low, high in sorted(
        (copy.low, copy.high) for each in found.candidates for copy in each.copies if copy.feed == feed
    ):
        if low <= due <= high:
            due = high + 1
    return due > last


def partition_of(path: str) -> dict[str, str]:
    """The partition value that a path tells."""
    found = _PARTITION.match(path)
    return {found[1]: found[2]} if found else {}


def _newest_log(place: Place) -> str:
    from pyarrow.fs import FileSelector

    if listing(place)[0]:
        return LOG
    names = {
        info.path.partition("/")[0]
        for info in place.filesystem().get_file_info(FileSelector("", recursive=True, allow_not_found=True))
        if info.path.startswith(LOG + ASIDE)
    }
    return max(names, default=LOG)


def _named_by_checkpoint(place: Place, path: str) -> set[str]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with place.filesystem().open_input_file(path) as source:
            adds = pq.read_table(source, columns=["add"], partitioning=None)["add"]
        return {each for each in pc.struct_field(adds, "path").to_pylist() if each}
    except (pa.ArrowException, OSError, ValueError, KeyError):  # it tells no more than the files do
        return set()


def _foreign(table: Table, path: str, schema: pa.Schema) -> str:
    """Why a file is none of the table's; empty when it is."""
    own = {each.name: each.type for each in table.schema if each.name not in table.partition_by}
    if {each.name: each.type for each in schema} != own:
        return f"is not of {table.name}: its columns are others"
    if tuple(partition_of(path)) != table.partition_by:
        where = "/".join(f"{name}=…" for name in table.partition_by)
        return f"does not lie in a directory {where}" if where else "lies in a directory of its own"
    return ""


def _copies(place: Place, path: str, parquet: Any) -> tuple[Copy, ...] | None:
    """The batches in a file, or ``None`` when it holds a part of one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = parquet.schema_arrow.names
    key = [name for name in ("feed", "batch", "collected_at") if name in names]
    wanted = [*key, "seq"] if "seq" in names else key
    # The checksum in its name vouches for all columns; without one, reading them is what can be done.
    pieces = [
        piece.select(wanted)
        for piece in row_groups(place, path, parquet, wanted if named_checksum(path) else None)
    ]
    if "collected_at" not in names or not pieces:
        return ()
    rows = pa.concat_tables(pieces)
    sealed = rows["collected_at"].cast(pa.int64())
    rows = rows.set_column(wanted.index("collected_at"), "collected_at", sealed)
    if "seq" not in names:
        groups = rows.group_by(key).aggregate([]).to_pylist()
        return tuple(sorted(Copy(g["feed"], g["batch"], g["collected_at"], 0, 0) for g in groups))
    if pc.any(pc.is_null(rows["seq"])).as_py():
        return None
    aggregates = [("seq", "min"), ("seq", "max"), ("seq", "count"), ("seq", "count_distinct")]
    groups = rows.group_by(key).aggregate(aggregates).to_pylist()
    copies = [Copy(g["feed"], g["batch"], g["collected_at"], g["seq_min"], g["seq_max"]) for g in groups]
    whole = all(
        group["seq_count"] == group["seq_count_distinct"] == copy.rows
        for group, copy in zip(groups, copies, strict=True)
    )
    return tuple(sorted(copies)) if whole else None
