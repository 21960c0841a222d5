"""One Delta table: append a batch durably and fenced, read a snapshot, replace files by others.

What a commit promises, and what is true when it fails, stands in :mod:`ctera_insights.lake.commit`; which
files are removed, and when, in :mod:`ctera_insights.lake.sweep`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import StoreDamaged, StoreFenced, StoreNotFound, StoreUnwritable
from ctera_insights.lake.borders import bordered, unanswered, words
from ctera_insights.lake.commit import commit, marked
from ctera_insights.lake.log import LOG, sealed
from ctera_insights.lake.lost import refuse_lost_log, unreadable_log
from ctera_insights.lake.names import MAINTENANCE, RESERVED, new_name
from ctera_insights.lake.partitions import partition_text, split
from ctera_insights.lake.place import Place, reachable, writing
from ctera_insights.lake.snapshot import DataFile, Snapshot, data_files
from ctera_insights.lake.statistics import delta_statistics

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

    from ctera_insights.lake.locks import Locks

ROW_GROUP_ROWS: Final = 122_880
"""Rows per row group: DuckDB's own block of parallel work."""
CONFIGURATION: Final = {
    "delta.logRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": "1000000",  # they are made, and flushed, by maintain()
}
_REPLACING: Final = f"{RESERVED}replacing"
"""The application whose number each commit that replaces files moves on, so that one fences another."""


@dataclass
class Table:
    """A Delta table at a place.

    Attributes:
        place: its directory or prefix.
        schema: all columns, partition columns included.
        partition_by: at most one column, of type date or integer or text.
        sort_by: the order of rows inside a row group, so that statistics prune.
        statistics: the columns whose minimum and maximum the log keeps for each file.
        dictionary: the columns whose values repeat.
        derived: whether its rows can be derived anew, so that a lost log is no loss.
        beside: other tables' places that cannot hold data without this table.
        owner: whose the files are that are written without saying, see :mod:`ctera_insights.lake.names`.
    """

    place: Place
    schema: pa.Schema
    locks: Locks
    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    dictionary: tuple[str, ...] = ()
    derived: bool = False
    beside: tuple[Place, ...] = ()
    owner: str = MAINTENANCE
    _delta: DeltaTable | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The last part of its place."""
        return self.place.uri.rpartition("/")[2]

    @bordered
    def exists(self) -> bool:
        """Whether the table was ever created.

        Raises:
            StoreDamaged: it was, but its log is lost.
            StoreUnreachable: that cannot be told now.
        """
        if self.has_log():
            return True
        if not self.derived:
            refuse_lost_log(self)
        return False

    def has_log(self) -> bool:
        """Whether there is a log at this moment.

        Raises:
            StoreUnreachable: that cannot be told now.
        """
        from deltalake import DeltaTable

        if self.log_is_no_directory():
            return False
        with self._reading():
            return DeltaTable.is_deltatable(self.place.uri, dict(self.place.options) or None)

    def log_is_no_directory(self) -> bool:
        """Whether something else, a file say, lies in the place of the log."""
        log = Path(self.place.uri) / LOG
        return self.place.local and log.exists() and not log.is_dir()

    @bordered
    def delta(self, *, refresh: bool = False) -> DeltaTable:
        """The underlying table, at the version last seen or (``refresh``) the newest.

        Raises:
            StoreNotFound: it does not exist.
            StoreDamaged: its log is lost, or cannot be understood.
            StoreUnreachable: it cannot be read now.
        """
        if self._delta is None:
            self._delta = self.open()
        elif refresh:
            with self._reading():
                self._delta.update_incremental()
        return self._delta

    def open(self) -> DeltaTable:
        """The underlying table at its newest version, read afresh and not kept.

        Raises:
            StoreNotFound, StoreDamaged, StoreUnreachable: as :meth:`delta`.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        if self.log_is_no_directory():
            refuse_lost_log(self)
        try:
            with self._reading():
                return DeltaTable(self.place.uri, storage_options=dict(self.place.options) or None)
        except StoreDamaged as error:
            if not isinstance(error.__cause__, TableNotFoundError):
                raise
            refuse_lost_log(self)
            raise StoreNotFound(
                f"There is no store at {self.place.uri}. Run `ctera-insights collect --data …` first, "
                "or check the path."
            ) from None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Failures of the Delta library in our words: damage, or no answer."""
        from deltalake.exceptions import DeltaError

        try:
            with reachable(self.place.uri):
                yield
        except (DeltaError, ValueError) as error:
            raise unanswered(error, self.place.uri) or unreadable_log(self, error) from error

    def forget(self) -> None:
        """Open the table anew when it is next needed."""
        self._delta = None

    @bordered
    def create(self) -> None:
        """Create the table unless it is there.

        Raises:
            StoreUnwritable: the store refused, and the table is not there.
        """
        if self.exists():
            return
        if self.log_is_no_directory():
            refuse_lost_log(self)
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        with self.locks.commit():
            if self.place.local:
                with writing(self.place.uri):
                    Path(self.place.uri).mkdir(parents=True, exist_ok=True)
            try:
                DeltaTable.create(
                    self.place.uri,
                    schema=self.schema,
                    mode="ignore",
                    partition_by=list(self.partition_by) or None,
                    configuration=CONFIGURATION,
                    storage_options=dict(self.place.options) or None,
                )
            except (DeltaError, OSError) as error:
                # It may be there all the same: the answer was lost, or another process was quicker.
                if not self.exists():
                    raise StoreUnwritable(f"Cannot create {self.place.uri}: {words(error)}.") from error
            self.sync_log(0)

    @bordered
    def snapshot(self) -> Snapshot:
        """The newest version's files.

        Raises:
            StoreNotFound, StoreDamaged, StoreUnreachable: as :meth:`delta`.
        """
        delta = self.delta(refresh=True)
        return Snapshot(self, delta.version(), self.files())

    def files(self) -> list[DataFile]:
        """The files of the version last seen, by path."""
        delta = self.delta()
        with self._reading():
            return data_files(self, delta)

    @bordered
    def transaction(self, app_id: str) -> int | None:
        """The last committed transaction number of an application, seen afresh."""
        if not self.exists():
            return None
        self.delta(refresh=True)
        return self._known(app_id)

    def _known(self, app_id: str) -> int | None:
        """The transaction number of an application at the version last seen; the library may read for it."""
        delta = self.delta()
        with self._reading():
            return delta.transaction_version(app_id)

    def append(
        self,
        data: pa.Table | Sequence[pa.Table],
        *,
        app_id: str,
        version: int,
        metadata: Mapping[str, str] | None = None,
        label: str = "",
        owner: str = "",
        batch: int | None = None,
    ) -> None:
        """Commit rows (perhaps none) together with a transaction number.

        The commit stands on the snapshot last seen by this object (:meth:`transaction` renews it).

        Raises:
            StoreFenced: the application's number has moved on since, or is not below ``version``.
            StoreUnwritable: the store refused; nothing was committed.
            CommitUnclear: the store does not tell whether it took the commit; nothing was removed.
        """
        self.replace(
            (),
            data,
            app_id=app_id,
            version=version,
            metadata=metadata,
            label=label,
            owner=owner,
            batch=batch,
            data_change=True,
        )

    def replace(
        self,
        remove: Sequence[DataFile],
        data: pa.Table | Sequence[pa.Table],
        *,
        app_id: str,
        version: int,
        metadata: Mapping[str, str] | None = None,
        label: str = "",
        owner: str = "",
        batch: int | None = None,
        data_change: bool = False,
    ) -> None:
        """Remove files and add rows in one commit, fenced like :meth:`append`.

        Raises:
            StoreFenced, StoreUnwritable, CommitUnclear: as :meth:`append`.
        """
        known = self._known(app_id)
        if known is not None and known >= version:
            raise StoreFenced(
                f"{self.place.uri}: batch {version} of {app_id!r} is committed already; it stands at {known}."
            )
        tables = data if isinstance(data, Sequence) else [data]
        files = [self.write(table, label, owner=owner, batch=batch) for table in tables]
        self.commit(
            [file for written in files for file in written],
            remove,
            app_id=app_id,
            version=version,
            metadata=metadata,
            data_change=data_change,
        )

    def write(
        self, table: pa.Table, label: str = "", *, owner: str = "", batch: int | None = None
    ) -> list[AddAction]:
        """Write rows as files, one for each partition value, not yet part of the table.

        Args:
            table: the rows.
            label: for people; by default the table's name.
            owner: whose lock the caller holds, by default the table's :attr:`owner`.
            batch: the number that the files are written for, if for one.
        """
        if table.column_names != self.schema.names:
            raise ValueError(f"rows of {self.name} must have the columns {self.schema.names}")
        return [
            self._write_file([rows], partition, new_name(label or self.name, owner or self.owner, batch))
            for partition, rows in split(table, self.partition_by)
            if len(rows)
        ]

    def write_merged(self, pieces: Iterable[pa.Table], partition: Mapping[str, Any]) -> AddAction:
        """Write one file of one partition from pieces without the partition column, as they come."""
        texts = {name: partition_text(value) for name, value in partition.items()}
        return self._write_file(pieces, texts, new_name("merged", MAINTENANCE))

    def _write_file(
        self, pieces: Iterable[pa.Table], partition: Mapping[str, str | None], name: str
    ) -> AddAction:
        from deltalake.transaction import AddAction

        path = "/".join([*(f"{column}={value}" for column, value in partition.items()), name])
        path, size, metadata = self.place.write_parquet(
            path,
            (self._in_order(piece) for piece in pieces),
            row_group_rows=ROW_GROUP_ROWS,
            dictionary=self.dictionary,
        )
        return AddAction(
            path=path,
            size=size,
            partition_values=partition,
            modification_time=int(time.time() * 1000),
            data_change=True,
            stats=delta_statistics(metadata, self.statistics),
        )

    def _in_order(self, piece: pa.Table) -> pa.Table:
        """The rows by ``sort_by``; a piece that is in order already, as most are, is not copied."""
        if not self.sort_by:
            return piece
        import numpy as np
        import pyarrow.compute as pc

        order = pc.sort_indices(piece, sort_keys=[(name, "ascending") for name in self.sort_by])
        if np.array_equal(order.to_numpy(), np.arange(len(piece))):
            return piece
        return piece.take(order)

    def commit(
        self,
        add: Sequence[AddAction],
        remove: Sequence[DataFile] = (),
        *,
        app_id: str,
        version: int,
        metadata: Mapping[str, str] | None = None,
        data_change: bool = True,
        also: Mapping[str, int] | None = None,
    ) -> None:
        """Name written files in the log, and un-name removed ones: the moment at which a batch exists.

        ``also`` gives transaction numbers of further applications, which land in the same commit.

        Raises:
            StoreFenced, StoreUnwritable, CommitUnclear: see :func:`ctera_insights.lake.commit.commit`.
        """
        for action in add:
            action.data_change = data_change
        transactions = {app_id: version, **(also or {})}
        if remove:
            # Delta lets two writers replace the same file, whose rows would then be there twice.
            transactions[_REPLACING] = (self._known(_REPLACING) or 0) + 1
        commit(
            self,
            add,
            [_removal(file, data_change) for file in remove],
            transactions=transactions,
            metadata=sealed(marked(metadata or {}), add, remove, transactions),
        )

    def sync_log(self, *versions: int) -> None:
        """Flush some entries of the log, and its directory."""
        self.place.sync(*(f"_delta_log/{version:020d}.json" for version in versions), "_delta_log")


def _removal(file: DataFile, data_change: bool) -> RemoveAction:
    from deltalake.transaction import RemoveAction

    return RemoveAction(
        path=file.path,
        data_change=data_change,
        deletion_timestamp=int(time.time() * 1000),
        size=file.size_bytes,
        partition_values={name: partition_text(value) for name, value in file.partition.items()},
    )
