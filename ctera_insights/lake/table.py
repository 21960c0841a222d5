"""One Delta table: append a batch durably and fenced, read a snapshot, replace files by others.

The protocol of a commit: the data file is staged and flushed, renamed into place, and then named by one entry
of the Delta log, which carries the data file, the commit's metadata and the writer's transaction number
together. The log entry is flushed before the commit counts. A crash leaves at worst a file that no log entry
names. Delta refuses a commit when the log, since the snapshot that the writer stands on, has gained a
transaction of the same application: that is the fence between two writers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import StoreDamaged, StoreFenced, StoreNotFound, StoreUnwritable
from ctera_insights.lake.place import Place, new_name, writing
from ctera_insights.lake.snapshot import DataFile, Snapshot, data_files
from ctera_insights.lake.statistics import delta_statistics

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

    from ctera_insights.lake.locks import Locks

ROW_GROUP_ROWS: Final = 122_880
"""Rows per row group: DuckDB's own block of parallel work."""
CHECKPOINT_EVERY: Final = 1000
"""Log entries between checkpoints; so many are read in some ten milliseconds when a table is opened."""
STRAY_HOURS: Final = 1
"""On an object store, a file that no commit names may be an upload under way until it is this old."""


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
    """

    place: Place
    schema: pa.Schema
    locks: Locks
    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    dictionary: tuple[str, ...] = ()
    _delta: DeltaTable | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The last part of its place."""
        return self.place.uri.rpartition("/")[2]

    def exists(self) -> bool:
        """Whether the table was ever created."""
        from deltalake import DeltaTable

        return DeltaTable.is_deltatable(self.place.uri, dict(self.place.options) or None)

    def delta(self, *, refresh: bool = False) -> DeltaTable:
        """The underlying table, at the version last seen or (``refresh``) the newest.

        Raises:
            StoreNotFound: it does not exist.
            StoreDamaged: its log cannot be read.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            if self._delta is None:
                self._delta = DeltaTable(self.place.uri, storage_options=dict(self.place.options) or None)
            elif refresh:
                self._delta.update_incremental()
        except TableNotFoundError:
            raise StoreNotFound(
                f"There is no store at {self.place.uri}. Run `ctera-insights collect --data …` first, "
                "or check the path."
            ) from None
        except (DeltaError, ValueError) as error:
            raise StoreDamaged(f"The log of {self.place.uri} cannot be read: {error}") from error
        return self._delta

    def create(self) -> None:
        """Create the table unless it is there."""
        if self.exists():
            return
        from deltalake import DeltaTable

        with self.locks.commit(), writing(self.place.uri):
            if self.place.local:
                Path(self.place.uri).mkdir(parents=True, exist_ok=True)
            self._delta = DeltaTable.create(
                self.place.uri,
                schema=self.schema,
                mode="ignore",
                partition_by=list(self.partition_by) or None,
                configuration={
                    "delta.logRetentionDuration": "interval 7 days",
                    "delta.checkpointInterval": "1000000",  # checkpoints are made, and flushed, by maintain()
                },
                storage_options=dict(self.place.options) or None,
            )
            self._sync_log(0)

    def snapshot(self) -> Snapshot:
        """The newest version's files.

        Raises:
            StoreNotFound, StoreDamaged: as :meth:`delta`.
        """
        delta = self.delta(refresh=True)
        return Snapshot(self, delta.version(), data_files(self, delta))

    def transaction(self, app_id: str) -> int | None:
        """The last committed transaction number of an application, seen afresh."""
        return self.delta(refresh=True).transaction_version(app_id) if self.exists() else None

    def append(
        self,
        data: pa.Table | Sequence[pa.Table],
        *,
        app_id: str,
        version: int,
        metadata: Mapping[str, str] | None = None,
        stem: str = "part",
    ) -> int:
        """Commit rows (perhaps none) together with a transaction number; gives the table's new version.

        The commit stands on the snapshot last seen by this object (:meth:`transaction` renews it).

        Raises:
            StoreFenced: the application's number has moved on since, or is not below ``version``.
            StoreUnwritable: the file system refused; nothing was committed.
        """
        return self.replace(
            (), data, app_id=app_id, version=version, metadata=metadata, stem=stem, data_change=True
        )

    def replace(
        self,
        remove: Sequence[DataFile],
        data: pa.Table | Sequence[pa.Table],
        *,
        app_id: str,
        version: int,
        metadata: Mapping[str, str] | None = None,
        stem: str = "part",
        data_change: bool = False,
    ) -> int:
        """Remove files and add rows in one commit, fenced like :meth:`append`.

        Raises:
            StoreFenced, StoreUnwritable: as :meth:`append`.
        """
        known = self.delta().transaction_version(app_id)
        if known is not None and known >= version:
            raise StoreFenced(
                f"{self.place.uri}: batch {version} of {app_id!r} is committed already; it stands at {known}."
            )
        files = [self.write(table, stem) for table in ([data] if not isinstance(data, Sequence) else data)]
        return self.commit(
            [file for written in files for file in written],
            remove,
            app_id=app_id,
            version=version,
            metadata=metadata,
            data_change=data_change,
        )

    def write(self, table: pa.Table, stem: str = "part") -> list[AddAction]:
        """Write rows as files, one for each partition value, not yet part of the table."""
        if table.column_names != self.schema.names:
            raise ValueError(f"rows of {self.name} must have the columns {self.schema.names}")
        return [
            self._write_file([rows], partition, stem)
            for partition, rows in _split(table, self.partition_by)
            if len(rows)
        ]

    def write_merged(
        self, pieces: Iterable[pa.Table], partition: Mapping[str, Any], stem: str = "merged"
    ) -> AddAction:
        """Write one file of one partition from pieces without the partition column, as they come."""
        texts = {name: _partition_text(value) for name, value in partition.items()}
        return self._write_file(pieces, texts, stem)

    def _write_file(
        self, pieces: Iterable[pa.Table], partition: Mapping[str, str | None], stem: str
    ) -> AddAction:
        from deltalake.transaction import AddAction

        path = "/".join([*(f"{column}={value}" for column, value in partition.items()), new_name(stem)])
        size, metadata = self.place.write_parquet(
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
    ) -> int:
        """Name written files in the log, and un-name removed ones: the moment at which a batch exists."""
        from deltalake import CommitProperties, PostCommitHookProperties, Transaction
        from deltalake.exceptions import CommitFailedError, DeltaError

        delta = self.delta()
        for action in add:
            action.data_change = data_change
        actions: list[AddAction | RemoveAction] = [*add, *(_removal(file, data_change) for file in remove)]
        with self.locks.commit():
            try:
                for action in add:
                    self.place.publish(action.path)
                with writing(self.place.uri):
                    delta.create_write_transaction(
                        actions,
                        mode="append",
                        schema=self.schema,
                        partition_by=list(self.partition_by),
                        commit_properties=CommitProperties(
                            custom_metadata=dict(metadata or {}),
                            app_transactions=[Transaction(app_id, version)],
                        ),
                        post_commithook_properties=PostCommitHookProperties(
                            create_checkpoint=False, cleanup_expired_logs=False
                        ),
                    )
            except CommitFailedError as error:
                self._withdraw(add)
                raise StoreFenced(
                    f"{self.place.uri}: another writer committed batch {version} of {app_id!r} or a later "
                    "one. Nothing was written twice; stop one of the two writers."
                ) from error
            except (DeltaError, StoreUnwritable) as error:
                if not self._landed(app_id, version):
                    self._withdraw(add)
                    if isinstance(error, StoreUnwritable):
                        raise
                    raise StoreUnwritable(f"{self.place.uri}: the commit failed: {error}") from error
            if not self._landed(app_id, version):
                raise StoreFenced(f"{self.place.uri}: another writer of {app_id!r} committed right behind.")
            self._sync_log(delta.version())
        return int(delta.version())

    def _landed(self, app_id: str, version: int) -> bool:
        """Whether the commit is in the log (after an error, only the log can tell)."""
        return self.delta(refresh=True).transaction_version(app_id) == version

    def _withdraw(self, add: Sequence[AddAction]) -> None:
        for action in add:
            self.place.remove(action.path)

    def _sync_log(self, *versions: int) -> None:
        self.place.sync(*(f"_delta_log/{version:020d}.json" for version in versions), "_delta_log")

    def vacuum(self, keep_replaced_hours: int) -> int:
        """Delete files replaced long enough ago, and strays that no commit names; gives how many."""
        delta = self.delta(refresh=True)
        # Strays go by the time of the file, replaced files by that of their replacement.
        sweeps = [(max(keep_replaced_hours, 0 if self.place.local else STRAY_HOURS), True)]
        if not self.place.local:
            sweeps.insert(0, (keep_replaced_hours, False))
        with self.locks.commit(), writing(self.place.uri):
            removed: set[str] = set()
            for retention, full in sweeps:
                options: dict[str, Any] = {"enforce_retention_duration": False, "full": full}
                if delta.vacuum(retention, dry_run=True, **options):
                    before = delta.version()
                    removed.update(delta.vacuum(retention, dry_run=False, **options))
                    delta.update_incremental()
                    self._sync_log(*range(before + 1, delta.version() + 1))
        return len(removed)

    def checkpoint(self) -> None:
        """Fold a long log into a checkpoint, flush it, then drop entries older than their retention."""
        delta = self.delta(refresh=True)
        if delta.version() - self._last_checkpoint() < CHECKPOINT_EVERY:
            return
        with self.locks.commit(), writing(f"{self.place.uri}/_delta_log"):
            delta.create_checkpoint()
            self.place.sync(
                f"_delta_log/{delta.version():020d}.checkpoint.parquet",
                "_delta_log/_last_checkpoint",
                "_delta_log",
            )
            delta.cleanup_metadata()

    def _last_checkpoint(self) -> int:
        try:
            with self.place.filesystem().open_input_file("_delta_log/_last_checkpoint") as file:
                return int(json.loads(file.read())["version"])
        except FileNotFoundError:
            return 0

    def drop_checkpoints(self) -> bool:
        """Remove the log's checkpoints while its entries alone still tell everything; whether it was so.

        A checkpoint is a Parquet file, too, and a glob over ``**/*.parquet`` would take it for data. It stays
        while a writer is at work, whose snapshot may still read it.
        """
        delta = self.delta(refresh=True)
        log = Path(self.place.uri) / "_delta_log"
        if not self.place.local or self.locks.any_writer():
            return False
        with self.locks.commit(), writing(log):
            if not all((log / f"{version:020d}.json").exists() for version in range(delta.version() + 1)):
                return False
            (log / "_last_checkpoint").unlink(missing_ok=True)
            self.place.sync("_delta_log")
            for checkpoint in log.glob("*.checkpoint*.parquet"):
                checkpoint.unlink()
            self._delta = None  # it may still want to read one of them
        return True


def _removal(file: DataFile, data_change: bool) -> RemoveAction:
    from deltalake.transaction import RemoveAction

    return RemoveAction(
        path=file.path,
        data_change=data_change,
        deletion_timestamp=int(time.time() * 1000),
        size=file.size_bytes,
        partition_values={name: _partition_text(value) for name, value in file.partition.items()},
    )


def _split(table: pa.Table, partition_by: tuple[str, ...]) -> list[tuple[dict[str, str | None], pa.Table]]:
    """Rows by partition value, without the partition column, as Delta stores them."""
    import pyarrow.compute as pc

    if not partition_by:
        return [({}, table)]
    (column,) = partition_by
    values = pc.unique(table[column]).to_pylist()
    if len(values) == 1:
        return [({column: _partition_text(values[0])}, table.drop_columns([column]))]
    return [
        (
            {column: _partition_text(value)},
            table.filter(pc.equal(table[column], value)).drop_columns([column]),
        )
        for value in sorted(values)
    ]


def _partition_text(value: object) -> str | None:
    return None if value is None else str(value)
