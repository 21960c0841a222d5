"""Building a table's log anew from its data files, whose columns tell nearly all that the log told.

Nothing is deleted. The old log, as far as there is one, is renamed to ``_delta_log.before-repair-TIME``, and
data files that the new log does not need (what they hold stands in others, does not count, or cannot be read)
go to ``_before-repair-TIME/`` beside it. The new log is one entry, which appears whole; a crash before it
leaves a table without a log, which the next repair builds from the same files.

What cannot come back, unless a surviving log entry tells it: batches without events behind the last one with
events (the Portal tells of them again), how far the feed lagged, and how many entries it had quarantined.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import FileDamaged, StoreDamaged, StoreLocked
from ctera_insights.lake.borders import bordered
from ctera_insights.lake.choose import Choice, Copy, choose, cover
from ctera_insights.lake.digest import named_checksum
from ctera_insights.lake.intact import open_intact, row_groups
from ctera_insights.lake.log import LOG, listing, sealed
from ctera_insights.lake.lost import count, late_batches, late_rejects, log_troubles
from ctera_insights.lake.notes import GIVEN_UP, leave_note
from ctera_insights.lake.place import writing
from ctera_insights.lake.position import POSITIONS, Position, read_position, to_metadata
from ctera_insights.lake.statistics import delta_statistics
from ctera_insights.lake.status import feed_names, last_seqs
from ctera_insights.lake.survey import ASIDE, Survey, holds, partition_of, survey, survivors
from ctera_insights.lake.table import CONFIGURATION
from ctera_insights.model import LIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deltalake.transaction import AddAction

    from ctera_insights.lake.lake import Lake
    from ctera_insights.lake.snapshot import DataFile
    from ctera_insights.lake.survey import Survivors
    from ctera_insights.lake.table import Table

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Found:
    """What a repair of one table stands on."""

    table: Table
    left: Survivors
    survey: Survey


@bordered
def repair_lake(
    lake: Lake,
    *,
    others: Sequence[Table] = (),
    leave_out_damaged: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Build anew the log of each raw table whose log is lost, partial, or names files that are damaged.

    A table whose log is sound is left as it is; so is one with damaged files, unless older files that still
    exist hold every event of these.

    Args:
        lake: what to repair.
        others: further tables that cannot be derived anew; of these every readable file is taken.
        leave_out_damaged: build the log also without damaged files whose events no other file holds.
        progress: called with (files read, files in all).

    Returns:
        What was done, a sentence each; empty when there was nothing to do.

    Raises:
        StoreLocked: another process writes into the lake.
        StoreUnwritable: the file system refused; a later repair goes on from there.
    """
    if not any(map(_holds_anything, [lake.events, lake.quarantine, lake.feeds, *others])):
        return []
    if lake.locks.any_writer():
        raise StoreLocked(f"Another process writes into {lake.uri}. Stop it first, then repair.")
    with lake.locks.maintenance() as mine:
        if not mine:
            raise StoreLocked(f"Another process merges files in {lake.uri}. Try again when it is done.")
        return list(_Repair(lake, others, leave_out_damaged, progress).run())


def _holds_anything(table: Table) -> bool:
    return any(listing(table.place)) or any(True for _ in table.place.files())


def set_log_aside(table: Table) -> bool:
    """Rename the log of a table, which then counts as not there; whether there was one."""
    table.forget()
    return _move(table, LOG, f"{LOG}{ASIDE}{_stamp()}")


class _Repair:
    def __init__(
        self,
        lake: Lake,
        others: Sequence[Table],
        leave_out_damaged: bool,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.lake = lake
        self.others = others
        self.leave_out_damaged = leave_out_damaged
        self._stamp = _stamp()
        self._report = progress
        self._done = 0
        self._files = 0

    def run(self) -> list[str]:
        tables = [self.lake.events, self.lake.quarantine, self.lake.feeds, *self.others]
        if self._report:
            self._files = sum(1 for table in tables for _ in table.place.files())
        events: Choice | None = None
        told: list[str] = []
        for table in tables:
            why, found = self._diagnose(table)
            if not why:
                continue
            found = found or self._survey(table)
            if table is self.lake.events:
                events = choose(found.survey.candidates)
                told += self._rebuild(found, events, why, *self._positions(found, events))
                if self.leave_out_damaged and (gaps := events.gaps()):
                    leave_note(self.lake, GIVEN_UP, {"gaps": gaps})
            elif table is self.lake.quarantine:
                events = events or choose(self._survey(self.lake.events).survey.candidates)
                told += self._rebuild(found, self._quarantined(found, events), why, {}, {})
            else:
                taken = Choice(files=[each.path for each in found.survey.candidates])
                told += self._rebuild(found, taken, why, {}, {})
        return told

    def _diagnose(self, table: Table) -> tuple[str, _Found | None]:
        """Why a table's log must be built anew, or an empty string; and the survey, if one was made."""
        try:
            if not table.exists():
                return "", None
            table.delta(refresh=True)
        except StoreDamaged:
            if not any(table.place.files()):
                raise
            return ("was gone" if not listing(table.place)[0] else "could not be read"), None
        for entry, what in log_troubles(table):
            return f"was damaged ({LOG}{entry} {what})", None
        if table is self.lake.events and any(late_batches(table)):
            return "had lost its newest entries", None
        if table is self.lake.quarantine and any(late_rejects(self.lake)):
            return "had lost its newest entries", None
        return self._rotten(table)

    def _rotten(self, table: Table) -> tuple[str, _Found | None]:
        """Whether files that the log names are damaged and can be done without."""
        bad = [file for file in table.snapshot().files if _is_damaged(table, file)]
        if not bad:
            return "", None
        found = self._survey(table)
        held = table is self.lake.events and all(
            holds(found.survey, file, last_seqs(self.lake)) for file in bad
        )
        if not held and not self.leave_out_damaged:
            return "", None
        what = count(len(bad), "damaged file")
        return f"named {what}" + (", whose events older files hold" if held else ""), found

    def _survey(self, table: Table) -> _Found:
        left = survivors(table.place)
        return _Found(table, left, survey(table, left.named, self._progress))

    def _progress(self) -> None:
        self._done += 1
        if self._report:
            self._report(self._done, max(self._files, self._done))

    def _positions(self, found: _Found, choice: Choice) -> tuple[dict[str, str], dict[str, int]]:
        """The metadata and the transaction numbers of the new log's entry."""
        told: list[dict[str, Any]] = []
        for feed in sorted({*choice.kept, *found.left.positions}):
            copies = choice.kept.get(feed, [])
            last = copies[-1] if copies else Copy(feed, 0, 0, 1, 0)
            known = found.left.positions.get(feed)
            if known and int(known["batch"]) >= last.batch and int(known["seq"]) == last.high:
                told.append(known)
            elif copies:
                told.append(to_metadata(feed, self._last_row(found, choice, last)))
        return {POSITIONS: json.dumps(told)}, {each["feed"]: int(each["batch"]) for each in told}

    def _last_row(self, found: _Found, choice: Choice, last: Copy) -> Position:
        """The position that the last event of a feed tells."""
        import pyarrow.compute as pc

        paths = {each.path for each in found.survey.candidates if last in each.copies}
        path = min(paths & {*choice.files, *choice.anew})
        columns = ["feed", "seq", "epoch", "phase", "cursor", "caught_up"]
        for rows in row_groups(found.table.place, path, open_intact(found.table.place, path), columns):
            mine = rows.filter(pc.and_(pc.equal(rows["feed"], last.feed), pc.equal(rows["seq"], last.high)))
            for row in mine.to_pylist():
                return Position(
                    cursor=row["cursor"],
                    batch=last.batch,
                    seq=last.high,
                    epoch=row["epoch"],
                    phase=LIVE if row["caught_up"] else row["phase"],
                    committed_at=_EPOCH + timedelta(microseconds=last.sealed_us),
                )
        raise AssertionError(path)

    def _quarantined(self, found: _Found, events: Choice) -> Choice:
        """The quarantined entries of batches that exist: of each batch one attempt, that of its events."""
        sealed_us = {
            (copy.feed, copy.batch): copy.sealed_us for kept in events.kept.values() for copy in kept
        }
        ends = {feed: read_position(self.lake, feed).batch for feed in feed_names(self.lake)}
        latest: dict[tuple[str, int], Copy] = {}
        for copy in sorted(copy for each in found.survey.candidates for copy in each.copies):
            key = copy.feed, copy.batch
            if copy.batch <= ends.get(copy.feed, 0) and sealed_us.get(key, copy.sealed_us) == copy.sealed_us:
                latest[key] = copy
        return cover(sorted(found.survey.candidates), set(latest.values()), {})

    def _rebuild(
        self,
        found: _Found,
        choice: Choice,
        why: str,
        metadata: Mapping[str, str],
        transactions: Mapping[str, int],
    ) -> list[str]:
        """Put the new log in the place of the old one, and what it does not need aside."""
        from deltalake import CommitProperties, Schema, Transaction
        from deltalake.transaction import create_table_with_add_actions

        table, place = found.table, found.table.place
        adds = [_action(found, path) for path in choice.files]
        with self.lake.locks.commit():
            for path, copies in choice.anew.items():
                adds.append(_write_anew(found, path, copies))
                place.publish(adds[-1].path)
            kept_log = f"{LOG}{ASIDE}{self._stamp}"
            had_log = _move(table, LOG, kept_log)
            with writing(place.uri):
                create_table_with_add_actions(
                    place.uri,
                    Schema.from_arrow(table.schema),
                    adds,
                    partition_by=list(table.partition_by),
                    configuration=CONFIGURATION,
                    storage_options=dict(place.options) or None,
                    commit_properties=CommitProperties(
                        custom_metadata=sealed(dict(metadata), adds, (), transactions),
                        app_transactions=[Transaction(*each) for each in transactions.items()],
                    ),
                )
            table.forget()
            place.sync(f"{LOG}/{0:020d}.json", LOG)
            aside = [*choice.replaced, *choice.aside, *found.survey.damaged]
            for path in aside:
                _move(table, path, f"_{ASIDE[1:]}{self._stamp}/{path}")
        return self._tell(found, choice, why, kept_log if had_log else "", aside)

    def _tell(
        self, found: _Found, choice: Choice, why: str, kept_log: str, aside: Sequence[str]
    ) -> list[str]:
        name, files = found.table.name, len(choice.files) + len(choice.anew)
        old = f" The old log is kept as {name}/{kept_log}." if kept_log else ""
        told = [f"{name}: the log {why}; it was built anew from {count(files, 'data file')}.{old}"]
        for feed, copies in choice.kept.items():
            events = sum(copy.rows for copy in copies)
            told.append(
                f"{feed}: {count(events, 'event')} in {count(len(copies), 'batch', 'batches')}; the next "
                f"collect goes on behind batch {found.table.transaction(feed)}. Batches without events "
                "behind the last one with events, and lag, come back only where a log entry tells them."
            )
        for feed, low, high in choice.gaps():
            told.append(
                f"{feed}: seq {low} to {high} are in no file that can be read. A backup may hold them; "
                "`collect --resync` lists what exists now."
                + (" `check` notes them, and finds nothing wrong with it." if self.leave_out_damaged else "")
            )
        told += [
            f"{name}/{path}: files overlapped; its part was written into a file of its own"
            for path in choice.anew
        ]
        for path, what in sorted(found.survey.damaged.items()):
            told.append(f"{name}/{path}: {what}; it was left out")
        for path, what in sorted(found.survey.foreign.items()):
            told.append(
                f"{name}/{path}: {what}; it was left alone. Move it elsewhere: clean-up may remove it."
            )
        if aside:
            told.append(
                f"{name}: {count(len(aside), 'file')} not needed by the new log: kept in "
                f"{name}/_{ASIDE[1:]}{self._stamp}; delete that directory when all is well."
            )
        return told


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"


def _is_damaged(table: Table, file: DataFile) -> bool:
    try:
        parquet = open_intact(table.place, file.path, size_bytes=file.size_bytes)
        if not named_checksum(file.path):
            for _ in row_groups(table.place, file.path, parquet):
                pass
    except FileDamaged:
        return True
    return False


def _action(found: _Found, path: str) -> AddAction:
    from deltalake.transaction import AddAction

    return AddAction(
        path=path,
        size=found.survey.sizes[path],
        partition_values=partition_of(path),
        modification_time=int(found.survey.times[path] * 1000),
        data_change=True,
        stats=delta_statistics(found.survey.footers[path], found.table.statistics),
    )


def _write_anew(found: _Found, path: str, copies: Sequence[Copy]) -> AddAction:
    """A file of only some batches of another one."""
    import pyarrow.compute as pc

    place = found.table.place
    parquet = open_intact(place, path, dictionary=found.table.dictionary)
    pieces = []
    for rows in row_groups(place, path, parquet):
        for copy in copies:
            mine = pc.and_(pc.equal(rows["feed"], copy.feed), pc.equal(rows["batch"], copy.batch))
            if len(part := rows.filter(mine)):
                pieces.append(part.unify_dictionaries())
    return found.table.write_merged(pieces, partition_of(path))


def _move(table: Table, old: str, new: str) -> bool:
    """Give a file, or a directory of files, another name; whether there was one."""
    from pyarrow.fs import FileSelector, FileType

    filesystem = table.place.filesystem()
    info = filesystem.get_file_info(old)
    paths = [old]
    if info.type != FileType.File and not table.place.local:
        found = filesystem.get_file_info(FileSelector(old, recursive=True, allow_not_found=True))
        paths = [each.path for each in found if each.type == FileType.File]
    elif info.type == FileType.NotFound:
        return False
    with writing(table.place.uri):
        for path in paths:
            target = new + path.removeprefix(old)
            if table.place.local and "/" in target:
                filesystem.create_dir(target.rpartition("/")[0], recursive=True)
            filesystem.move(path, target)
    return bool(paths)
