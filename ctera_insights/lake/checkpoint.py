"""Checkpoints of a table's log: one Parquet file in place of many entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import StoreUnreachable, StoreUnwritable
from ctera_insights.lake.borders import words
from ctera_insights.lake.place import reachable, writing

if TYPE_CHECKING:
    from ctera_insights.lake.table import Table

CHECKPOINT_EVERY: Final = 1000
"""Log entries between checkpoints; so many are read in some ten milliseconds when a table is opened."""
CHECKPOINT_EVERY_OBJECT: Final = 100
"""The same on an object store, where each entry is a request, and nobody globs for Parquet files."""


def checkpoint(table: Table) -> None:
    """Fold a long log into a checkpoint, flush it, then drop entries older than their retention.

    Raises:
        StoreUnwritable: the store refused; the entries still tell everything.
    """
    from deltalake.exceptions import DeltaError

    delta = table.delta(refresh=True)
    every = CHECKPOINT_EVERY if table.place.local else CHECKPOINT_EVERY_OBJECT
    if delta.version() - _last(table) < every:
        return
    log = f"{table.place.uri}/_delta_log"
    with table.locks.commit(), writing(log):
        try:
            delta.create_checkpoint()
            table.place.sync(
                f"_delta_log/{delta.version():020d}.checkpoint.parquet",
                "_delta_log/_last_checkpoint",
                "_delta_log",
            )
            delta.cleanup_metadata()
        except DeltaError as error:
            raise StoreUnwritable(f"Cannot write a checkpoint of {log}: {words(error)}.") from error


def _last(table: Table) -> int:
    try:
        with (
            reachable(table.place.uri),
            table.place.filesystem().open_input_file("_delta_log/_last_checkpoint") as file,
        ):
            return int(json.loads(file.read())["version"])
    except (StoreUnreachable, ValueError, KeyError, TypeError):  # there is none that can be read: write one
        return 0


def drop_checkpoints(table: Table) -> bool:
    """Remove the log's checkpoints while its entries alone still tell everything; whether it was so.

    A checkpoint is a Parquet file, too, and a glob over ``**/*.parquet`` would take it for data. It stays
    while a writer is at work, whose snapshot may still read it.
    """
    delta = table.delta(refresh=True)
    log = Path(table.place.uri) / "_delta_log"
    if not table.place.local or table.locks.any_writer():
        return False
    with table.locks.commit(), writing(log):
        if not all((log / f"{version:020d}.json").exists() for version in range(delta.version() + 1)):
            return False
        (log / "_last_checkpoint").unlink(missing_ok=True)
        table.place.sync("_delta_log")
        for path in log.glob("*.checkpoint*.parquet"):
            path.unlink()
        table.forget()  # it may still want to read one of them
    return True
