"""Does the store hold what its log says, each event once, and each byte as it was written?"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import FileDamaged, StoreDamaged, StoreNotFound
from ctera_insights.lake.digest import named_checksum
from ctera_insights.lake.intact import holding, open_intact, row_groups
from ctera_insights.lake.log import LOG, listing, read_entries
from ctera_insights.lake.lost import count, late_batches, late_rejects, log_troubles, way_out
from ctera_insights.lake.notes import GIVEN_UP, read_note
from ctera_insights.lake.position import read_position
from ctera_insights.lake.statistics import bound, delta_statistics
from ctera_insights.lake.status import feed_names
from ctera_insights.lake.survey import holds, partition_of, survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from ctera_insights.lake.lake import Lake
    from ctera_insights.lake.position import Position
    from ctera_insights.lake.snapshot import DataFile, Snapshot
    from ctera_insights.lake.table import Table

Progress = Callable[[int, int], None]
"""Called with (files read, files in all)."""
Note = Callable[[str], None]
"""Called with a sentence on what could not be judged."""
_TRIES: Final = 5
"""How often a store is looked at that others write at the same time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that contradicts the log, or what was once written.

    Attributes:
        where: file, log entry or feed.
        what: what is wrong with it, and how to get it back.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def check_lake(lake: Lake, progress: Progress | None = None, note: Note | None = None) -> list[Finding]:
    """Read every byte of the raw tables and hold them against the log; an empty list means sound.

    Held: each log entry is what was written; each named file is there, whole, byte for byte what was written,
    with the rows and bounds that the log says; no file holds a batch beyond the log; in each feed ``seq``
    runs from 1 without gap or repeat up to the last commit, and no row lies beyond it; the feed's cursor can
    be read.

    Args:
        lake: what to check.
        progress: called with (files read, files in all).
        note: called with a sentence on what could not be judged: files and entries of earlier versions, which
            carry no checksum.

    Raises:
        StoreNotFound: nothing was ever collected there.
        StoreDamaged: a log is lost, or cannot be read.
    """
    return while_written([lake.events, lake.quarantine, lake.feeds], partial(_check, lake, progress), note)


def while_written(
    tables: Sequence[Table], check: Callable[[Note], list[Finding]], note: Note | None
) -> list[Finding]:
    """What a check finds, held against a store that others write at the same time.

    Files that were merged and removed, or batches that came, while they were looked at are no findings: when
    there are some and the store has moved on, the check is made again.

    Args:
        tables: what is checked.
        check: makes it; given where to say what could not be judged.
        note: told of that once.
    """
    notes: list[str] = []
    findings: list[Finding] = []
    for _ in range(_TRIES):
        notes.clear()
        began = _versions(tables)
        findings = check(notes.append)
        if not findings or _versions(tables) == began:
            break
    for each in notes if note else ():
        assert note is not None
        note(each)
    return findings


def _versions(tables: Sequence[Table]) -> list[int | None]:
    found: list[int | None] = []
    for table in tables:
        try:
            found.append(table.delta(refresh=True).version())
        except (StoreDamaged, StoreNotFound):  # who checks it says so
            found.append(None)
    return found


def _check(lake: Lake, progress: Progress | None, note: Note) -> list[Finding]:
    import numpy as np

    tables = lake.raw_tables() or [lake.events]
    for table in tables:
        table.delta(refresh=True)
    findings = [finding for table in tables for finding in check_log(table, note)]
    if findings:  # what the log says cannot be relied on
        return findings
    positions, snapshots = _standing_still(lake, tables)
    most = 10 * lake.events.snapshot().rows + 1_000_000
    findings += [
        Finding(feed, f"its position tells of seq {position.seq}, far more events than there are")
        for feed, position in positions.items()
        if position.seq > most
    ]
    seen = {
        feed: np.zeros(min(position.seq, most) + 1, dtype=np.uint8) for feed, position in positions.items()
    }

    def visit(where: str, rows: pa.Table) -> Iterator[Finding]:
        if "seq" in rows.column_names:
            yield from _count(rows, seen, where)

    findings += check_files(
        snapshots, progress, note, visit, {feed: position.seq for feed, position in positions.items()}
    )
    findings += [
        Finding(where, f"{what}. {way_out(lake.events)}")
        for where, what in (*late_batches(lake.events), *late_rejects(lake))
    ]
    _pass_over_given_up(lake, seen, note)
    for feed, counts in seen.items():
        findings += _check_sequence(feed, counts)
    findings += _lost_rejects(lake, positions)
    for where, ahead in _rejects_ahead(snapshots, positions):
        what = "holds quarantined entries of a batch that was never committed"
        if ahead > 1:
            findings.append(Finding(where, what))
        else:
            note(f"{where} {what}: a run ended between the two, and the next one removes them.")
    return findings


def _standing_still(lake: Lake, tables: Sequence[Table]) -> tuple[dict[str, Position], list[Snapshot]]:
    """Where the feeds stand, and the files of the tables at that same moment."""
    positions: dict[str, Position] = {}
    snapshots: list[Snapshot] = []
    for _ in range(_TRIES):
        positions = _positions(lake)
        snapshots = [table.snapshot() for table in tables]
        if _positions(lake) == positions:
            break
    return positions, snapshots


def _positions(lake: Lake) -> dict[str, Position]:
    return {feed: read_position(lake, feed) for feed in feed_names(lake, damaged=True)}


def _lost_rejects(lake: Lake, positions: Mapping[str, Position]) -> Iterator[Finding]:
    """Feeds whose commits tell of more quarantined entries than there are, the whole table gone included."""
    import pyarrow.compute as pc

    held = lake.quarantine.snapshot().dataset() if lake.quarantine.exists() else None
    for feed, position in positions.items():
        if not position.rejected:
            continue
        mine = (pc.field("feed") == feed) & (pc.field("batch") <= position.batch)
        lost = position.rejected - (held.count_rows(filter=mine) if held else 0)
        if lost > 0:
            yield Finding(
                lake.quarantine.name,
                f"lacks {count(lost, 'entry', 'entries')} of {feed}, which only a backup can bring back",
            )


def _rejects_ahead(
    snapshots: Sequence[Snapshot], positions: Mapping[str, Position]
) -> Iterator[tuple[str, int]]:
    """Files of quarantined entries beyond where their feed stands, and by how many batches."""
    quarantine = next((each for each in snapshots if each.table.name == "quarantine"), None)
    for file in quarantine.files if quarantine else ():
        position = positions.get(file.max.get("feed", ""))
        ahead = (file.max.get("batch") or 0) - position.batch if position else 0
        if ahead > 0 and file.min.get("feed") == file.max.get("feed"):
            yield f"quarantine/{file.path}", ahead


def check_log(table: Table, note: Note | None = None) -> list[Finding]:
    """Hold the entries of a table's log against their own checksums, and its columns against the table's."""
    entries = read_entries(table.place, listing(table.place)[0])
    bare = sum(1 for entry in entries if entry.transactions and not entry.sealed)
    if bare and note:
        note(
            f"{table.name}: {count(bare, 'log entry', 'log entries')} of an earlier version carry no "
            "checksum; they were held against the files alone."
        )
    return [
        Finding(f"{table.name}/{LOG}{entry}", f"{what}. {way_out(table)}")
        for entry, what in log_troubles(table, entries)
    ]


def check_files(
    snapshots: Sequence[Snapshot],
    progress: Progress | None = None,
    note: Note | None = None,
    visit: Callable[[str, pa.Table], Iterator[Finding]] | None = None,
    ends: Mapping[str, int] | None = None,
) -> list[Finding]:
    """Read every byte of the files that some logs name, and hold them against these and their checksums.

    Args:
        snapshots: which tables, with their files.
        progress: called with (files read, files in all).
        note: called with a sentence on files that carry no checksum.
        visit: looks at the rows of each row group.
        ends: the last ``seq`` of each feed, when the tables are the raw ones.
    """
    total = sum(len(snapshot.files) for snapshot in snapshots)
    done = 0
    findings: list[Finding] = []
    for table, files in ((snapshot.table, snapshot.files) for snapshot in snapshots):
        damaged: list[tuple[DataFile, str]] = []
        for file in files:
            try:
                findings += _check_file(table, file, visit)
            except FileDamaged as error:
                damaged.append((file, error.what))
            done += 1
            if progress:
                progress(done, total)
        findings += _lost(table, damaged, ends)
        bare = sum(1 for file in files if not named_checksum(file.path))
        if bare and note:
            note(
                f"{table.name}: {count(bare, 'file')} of an earlier version carry no checksum; that they can "
                "be read was tried, but not whether each value is what was written."
            )
    return findings


def _check_file(
    table: Table, file: DataFile, visit: Callable[[str, pa.Table], Iterator[Finding]] | None
) -> Iterator[Finding]:
    where = f"{table.name}/{file.path}"
    parquet = open_intact(table.place, file.path, size_bytes=file.size_bytes)
    metadata = parquet.metadata
    if metadata.num_rows != file.rows:
        yield Finding(where, f"has {metadata.num_rows} rows; the log says {file.rows}")
    if partition_of(file.path) != {name: str(value) for name, value in file.partition.items()}:
        yield Finding(where, f"lies elsewhere than the log says: {dict(file.partition)}")
    bounds = json.loads(delta_statistics(metadata, table.statistics))
    for told, own in ((file.min, bounds["minValues"]), (file.max, bounds["maxValues"])):
        for name, value in own.items():
            if bound(told.get(name)) not in {None, value}:
                yield Finding(where, f"reaches to {name} {value!r}; the log says {told[name]!r}")
    for rows in row_groups(table.place, file.path, parquet):
        if visit:
            yield from visit(where, rows)


def _lost(
    table: Table, damaged: Sequence[tuple[DataFile, str]], ends: Mapping[str, int] | None
) -> Iterator[Finding]:
    """What damaged files held, and how to get it back."""
    if not damaged:
        return
    others = None
    if ends is not None and "seq" in table.schema.names:
        others = survey(table, set())
    for file, what in damaged:
        if table.derived:
            back = "`enrich --rebuild` derives it anew"
        elif others is not None and ends is not None and holds(others, file, ends):
            back = "older files that still exist hold them all: `check --repair` puts these in its place"
        elif others is not None:
            back = (
                "restore the file from a backup; or give it up by `check --repair --leave-out-damaged`, and "
                "list anew what exists by `collect --resync`"
            )
        else:
            back = "restore it from a backup, or give it up by `check --repair --leave-out-damaged`"
        yield Finding(f"{table.name}/{file.path}", f"{what}; it held {holding(file)}; {back}")


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
        counts[unique] = np.minimum(counts[unique] + times, 2)  # more often than twice is twice, too


def _pass_over_given_up(lake: Lake, seen: dict[str, npt.NDArray[np.uint8]], note: Note) -> None:
    """Take the events that a repair was told to give up for counted: they are noted, and no finding."""
    gaps = read_note(lake, GIVEN_UP).get("gaps")
    for gap in gaps if isinstance(gaps, list) else ():
        match gap:
            case [str(feed), int(low), int(high)] if feed in seen and 0 < low <= high:
                counts = seen[feed][low : high + 1]
                if lost := int((counts == 0).sum()):
                    counts[counts == 0] = 1
                    note(f"{feed}: {count(lost, 'event')} of seq {low} to {high} were given up by a repair.")


def _check_sequence(feed: str, counts: npt.NDArray[np.uint8]) -> Iterator[Finding]:
    import numpy as np

    for what, numbers in (
        ("is missing", np.flatnonzero(counts[1:] == 0) + 1),
        ("stands there more than once", np.flatnonzero(counts > 1)),
    ):
        if len(numbers):
            yield Finding(feed, f"seq {numbers[0]} {what} ({len(numbers)} such events)")
