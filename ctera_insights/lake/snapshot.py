"""What a reader reads: the files of a table at one version, with what the log says of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    import pyarrow.dataset
    from deltalake import DeltaTable

    from ctera_insights.lake.table import Table


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a snapshot, with the statistics that its log entry carries."""

    path: str
    uri: str
    size_bytes: int
    rows: int
    partition: Mapping[str, Any]
    min: Mapping[str, Any]
    max: Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """The files that make up a table at one version; they stay readable for the grace period."""

    table: Table
    version: int
    files: list[DataFile]

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    def uris(self) -> list[str]:
        """Absolute paths or URLs of the files."""
        return [file.uri for file in self.files]

    def dataset(self) -> pyarrow.dataset.Dataset:
        """The files as a pyarrow dataset, partition columns included."""
        import pyarrow as pa
        import pyarrow.dataset as ds

        from ctera_insights.lake.unlocked import unlocked

        schema = self.table.schema
        partitioning = ds.partitioning(
            pa.schema([schema.field(name) for name in self.table.partition_by]), flavor="hive"
        )
        dataset = ds.dataset(
            [file.path for file in self.files],
            schema=schema,
            filesystem=self.table.place.filesystem(),
            format=ds.ParquetFileFormat(
                default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
            ),
            partitioning=partitioning,
        )
        return unlocked(dataset)


def data_files(table: Table, delta: DeltaTable) -> list[DataFile]:
    """The files that the log names at the version that ``delta`` stands at, by path."""
    import pyarrow as pa

    # Not pa.table(): that imports pandas, which takes longer than all the rest.
    actions = pa.RecordBatchReader.from_stream(delta.get_add_actions()).read_all().combine_chunks()
    columns = {name: actions[name] for name in actions.column_names}
    lows, highs = (_records(columns.get(name), table.statistics) for name in ("min", "max"))
    parts = _records(columns.get("partition"), table.partition_by)
    base = table.place.uri.rstrip("/")
    files = [
        DataFile(
            path=path,
            uri=f"{base}/{path}",
            size_bytes=columns["size_bytes"][row].as_py(),
            rows=columns["num_records"][row].as_py() or 0,
            partition=parts[row] if parts else {},
            min=lows[row] if lows else {},
            max=highs[row] if highs else {},
        )
        for row, path in enumerate(columns["path"].to_pylist())
    ]
    return sorted(files, key=lambda file: file.path)


def _records(structs: pa.ChunkedArray | None, names: Sequence[str]) -> list[dict[str, Any]]:
    """Some fields of a column of structs, as records."""
    if structs is None or not len(structs):
        return []
    combined = structs.combine_chunks()
    known = [field.name for field in combined.type]
    columns = {name: _values(combined.field(name)) for name in names if name in known}
    return [{name: values[row] for name, values in columns.items()} for row in range(len(combined))]


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa

    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    epoch = datetime(1970, 1, 1, tzinfo=UTC)  # to_pylist() of a time with a zone would import pandas
    return [
        None if micros is None else epoch + timedelta(microseconds=micros)
        for micros in column.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
    ]
