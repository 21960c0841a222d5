"""Does the store hold what its log says, and each event once?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctera_insights.lake.position import read_position
from ctera_insights.lake.status import feed_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from ctera_insights.lake.lake import Lake
    from ctera_insights.lake.snapshot import DataFile
    from ctera_insights.lake.table import Table


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that contradicts the log.

    Attributes:
        where: file or feed.
        what: what is wrong with it.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def check_lake(lake: Lake, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """Read every file of the raw tables and hold them against the log; an empty list means sound.

    Held: each named file is there, whole, with the rows that the log says; in each feed ``seq`` runs from 1
    without gap or repeat up to the last commit, and no row lies beyond it; the feed's cursor can be read.

    Args:
        lake: what to check.
        progress: called with (files read, files in all).

    Raises:
        StoreNotFound: nothing was ever collected there.
        StoreDamaged: a log itself cannot be read.
    """
    import numpy as np

    tables = [lake.events, *([lake.quarantine] if lake.quarantine.exists() else [])]
    files = [(table, file) for table in tables for file in table.snapshot().files]
    positions = {feed: read_position(lake, feed) for feed in feed_names(lake)}
    seen = {feed: np.zeros(position.seq + 1, dtype=np.uint8) for feed, position in positions.items()}
    findings: list[Finding] = []
    for done, (table, file) in enumerate(files):
        findings += _check_file(table, file, seen)
        if progress:
            progress(done + 1, len(files))
    for feed, counts in seen.items():
        findings += _check_sequence(feed, counts)
    if lake.quarantine.exists():
        findings += [
            Finding(file.path, "holds quarantined entries of a batch that was never committed")
            for file in lake.quarantine.snapshot().files
            for feed, position in positions.items()
            if file.min.get("feed") == file.max.get("feed") == feed
            and (file.max.get("batch") or 0) > position.batch
        ]
    return findings


def _check_file(table: Table, file: DataFile, seen: dict[str, npt.NDArray[np.uint8]]) -> Iterator[Finding]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem = table.place.filesystem()
    where = f"{table.name}/{file.path}"
    try:
        with filesystem.open_input_file(file.path) as source:
            if source.size() != file.size_bytes:
                yield Finding(where, f"has {source.size()} bytes; the log says {file.size_bytes}")
                return
            parquet = pq.ParquetFile(source)
            if parquet.metadata.num_rows != file.rows:
                yield Finding(where, f"has {parquet.metadata.num_rows} rows; the log says {file.rows}")
            for group in range(parquet.num_row_groups):
                rows = parquet.read_row_group(group)
                if "seq" in rows.column_names:
                    yield from _count(rows, seen, where)
    except FileNotFoundError:
        yield Finding(where, "is missing")
    except (pa.ArrowException, OSError) as error:
        yield Finding(where, f"cannot be read: {error}")


def _count(rows: Any, seen: dict[str, npt.NDArray[np.uint8]], where: str) -> Iterator[Finding]:
    import numpy as np
    import pyarrow.compute as pc

    for feed in pc.unique(rows["feed"]).to_pylist():
        numbers = rows.filter(pc.equal(rows["feed"], feed))["seq"].to_numpy()
        counts = seen.get(feed)
        if counts is None or numbers.max() >= len(counts) or numbers.min() < 1:
            yield Finding(where, f"holds rows of {feed!r} that no commit accounts for")
            continue
        unique, times = np.unique(numbers, return_counts=True)
        counts[unique] += times.astype(np.uint8)


def _check_sequence(feed: str, counts: npt.NDArray[np.uint8]) -> Iterator[Finding]:
    import numpy as np

    for what, numbers in (
        ("is missing", np.flatnonzero(counts[1:] == 0) + 1),
        ("stands there more than once", np.flatnonzero(counts > 1)),
    ):
        if len(numbers):
            yield Finding(feed, f"seq {numbers[0]} {what} ({len(numbers)} such events)")
