"""A dataset whose readers can be begun while reads of it fail.

pyarrow begins a reader with Python's lock held, and waits for Arrow's scheduler meanwhile. Reads of an
object store run in Python's objects: one that fails waits for Python's lock, to say why, with the scheduler
held. When both happen at once, neither ends. A scan that is begun without Python's lock waits for nothing.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds


class UnlockedDataset(ds.FileSystemDataset):  # type: ignore[misc] # pyarrow ships no types
    """A dataset of files, to be read by whatever begins readers: DuckDB begins one for each query."""

    def scanner(self, **options: Any) -> _Scanner:
        """A scanner, as of any dataset."""
        return _Scanner(super().scanner(**options))


class _Scanner:
    """A scanner; only how it begins a reader differs."""

    def __init__(self, scanner: ds.Scanner) -> None:
        self._scanner = scanner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scanner, name)

    def to_reader(self) -> pa.RecordBatchReader:
        """A reader of the batches in their order."""
        batches = self._scanner.scan_batches()  # lets go of Python's lock to begin, and for every batch
        return pa.RecordBatchReader.from_batches(
            self._scanner.projected_schema, (batch.record_batch for batch in batches)
        )


def unlocked(dataset: ds.FileSystemDataset) -> UnlockedDataset:
    """The same files, read without Python's lock."""
    return UnlockedDataset(
        list(dataset.get_fragments()), dataset.schema, dataset.format, filesystem=dataset.filesystem
    )
