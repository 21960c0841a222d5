"""What can be wrong with a store: each world breaks a sound copy in one way and says what is told."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctera_insights.errors import InsightsError, StoreDamaged, StoreNotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class World:
    """A way for a store to be broken.

    Attributes:
        name: of the test.
        wreck: breaks the store at a path.
        told: what a query over the broken table ends in; ``None`` where it may as well answer.
        table: which table is broken.
    """

    name: str
    wreck: Callable[[Path], None]
    told: type[InsightsError] | None = None
    table: str = "events"


def data_files(store: Path, table: str = "events") -> list[Path]:
    return sorted(store.glob(f"{table}/**/*.parquet"))


def log_entries(store: Path, table: str = "events") -> list[Path]:
    return sorted(store.glob(f"{table}/_delta_log/*.json"))


def missing(table: str) -> Callable[[Path], None]:
    return lambda store: data_files(store, table)[0].unlink()


def cut(table: str, to_bytes: int) -> Callable[[Path], None]:
    return lambda store: os.truncate(data_files(store, table)[0], to_bytes)


def flipped(at: int) -> Callable[[Path], None]:
    def wreck(store: Path) -> None:
        (file, *_) = data_files(store)
        content = bytearray(file.read_bytes())
        content[at] ^= 0x41
        file.write_bytes(content)

    return wreck


def a_directory(store: Path) -> None:
    (file, *_) = data_files(store)
    file.unlink()
    file.mkdir()


def entry(text: bytes | None, at: int = -1, table: str = "events") -> Callable[[Path], None]:
    def wreck(store: Path) -> None:
        file = log_entries(store, table)[at]
        file.unlink() if text is None else file.write_bytes(text)

    return wreck


def a_file(store: Path) -> None:
    shutil.rmtree(store)
    store.write_text("not a store")


def below_a_file(store: Path) -> None:
    shutil.rmtree(store)
    store.parent.joinpath(store.name).write_text("not a directory")


WORLDS = [
    World("data file missing", missing("events"), StoreDamaged),
    World("data file cut", cut("events", 500), StoreDamaged),
    World("data file empty", cut("events", 0), StoreDamaged),
    World("a directory for a data file", a_directory, StoreDamaged),
    World("magic flipped", flipped(-2), StoreDamaged),
    World("footer length flipped", flipped(-6), StoreDamaged),
    *(World(f"byte {at} flipped", flipped(at)) for at in (5, 40, 300, 900, -60, -200, -400)),
    World("activity file missing", missing("activity"), StoreDamaged, "activity"),
    World("activity file cut", cut("activity", 300), StoreDamaged, "activity"),
    World("objects file missing", missing("objects"), StoreDamaged, "objects"),
    World("folders file missing", missing("folders"), StoreDamaged, "folders"),
    World("last entry missing", entry(None)),
    World("entry missing", entry(None, 1), StoreDamaged),
    World("entry garbage", entry(b"garbage"), StoreDamaged),
    World("entry empty", entry(b"")),
    World("entry of another shape", entry(b'{"add": 5}\n'), StoreDamaged),
    World("entry not text", entry(b"\xff\xfe\x00\x01"), StoreDamaged),
    World("first entry garbage", entry(b"{", 0), StoreDamaged),
    World("log missing", lambda store: shutil.rmtree(store / "events" / "_delta_log")),
    World("activity's entry garbage", entry(b"garbage", table="activity"), StoreDamaged, "activity"),
    World("activity's log missing", lambda store: shutil.rmtree(store / "activity" / "_delta_log")),
    World("everything missing", shutil.rmtree, StoreNotFound),
    World("a file for the store", a_file, StoreNotFound),
]
