"""Ways to lose a log, whole or in part."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from deltalake import DeltaTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def entries(table: Path) -> list[Path]:
    """The log entries of a table, the oldest first."""
    return sorted((table / "_delta_log").glob("*.json"))


def whole(table: Path) -> None:
    shutil.rmtree(table / "_delta_log")


def all_files(table: Path) -> None:
    """The directory is there, and nothing in it."""
    for path in (table / "_delta_log").iterdir():
        path.unlink()


def first(table: Path) -> None:
    entries(table)[0].unlink()


def middle(table: Path) -> None:
    found = entries(table)
    found[len(found) // 2].unlink()


def newest(table: Path) -> None:
    """An older copy of the log was put back, to which several batches are unknown."""
    for path in entries(table)[len(entries(table)) // 2 :]:
        path.unlink()


def all_but_the_first(table: Path) -> None:
    for path in entries(table)[1:]:
        path.unlink()


def emptied(table: Path) -> None:
    entries(table)[-1].write_bytes(b"")


def cut(table: Path) -> None:
    content = entries(table)[-1].read_bytes()
    entries(table)[-1].write_bytes(content[: len(content) // 2])


def cut_between_lines(table: Path) -> None:
    content = entries(table)[-1].read_bytes()
    entries(table)[-1].write_bytes(content[: content.index(b"\n") + 1])


def checkpoint(table: Path) -> None:
    """The entries before a checkpoint were cleaned, and the checkpoint is gone."""
    DeltaTable(str(table)).create_checkpoint()
    for path in entries(table)[:-1]:
        path.unlink()
    for path in (table / "_delta_log").glob("*.checkpoint*.parquet"):
        path.unlink()


def checkpoint_and_its_hint(table: Path) -> None:
    checkpoint(table)
    (table / "_delta_log" / "_last_checkpoint").unlink()


def only_the_checkpoint(table: Path) -> None:
    """A copy left the entries out: everything can be read, and nothing can be committed behind it."""
    DeltaTable(str(table)).create_checkpoint()
    for path in entries(table):
        path.unlink()


def a_file_in_its_place(table: Path) -> None:
    whole(table)
    (table / "_delta_log").write_bytes(b"")


LOSSES: dict[str, Callable[[Path], None]] = {
    loss.__name__: loss
    for loss in (
        whole,
        all_files,
        first,
        middle,
        newest,
        all_but_the_first,
        emptied,
        cut,
        cut_between_lines,
        checkpoint,
        checkpoint_and_its_hint,
        only_the_checkpoint,
        a_file_in_its_place,
    )
}
