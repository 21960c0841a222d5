"""The n-th file operation of a collection fails, or the process is killed at it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from ctera_insights.activity.store import tables
from ctera_insights.lake import Lake
from tests.reliability.world import SEED, Runner, scaled, strays, wrong_after

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRIALS: Final = scaled(36)
KINDS: Final = {
    "open": ("kill", "eio", "full"),
    "write": ("kill", "eio", "full", "short"),
    "fsync": ("kill", "eio", "full", "lost"),
    "link": ("kill", "eio", "full", "lost"),
    "rename": ("kill", "eio", "full", "lost"),
    "unlink": ("kill", "eio", "lost"),
    "mkdir": ("kill", "eio", "full", "lost"),
    "truncate": ("kill", "eio", "full"),
}
"""What can happen to each kind of operation."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A file operation of a run, by its number."""

    number: int
    name: str
    path: str

    @property
    def family(self) -> tuple[str, str]:
        """What it has in common with others of the run: numbers and random names do not count."""
        path = re.sub(r"-[0-9a-f]{12}(?=\.parquet)", "", self.path)
        return self.name, re.sub(r"\d{4}-\d\d-\d\d|\d{8,}|(?<=writer-)[0-9a-f]{16}", "N", path)


def test_every_part_of_the_product_is_seen(operations: list[Operation], sound: Path) -> None:
    """The shim counts the calls of Python, of Rust (the log), and of C++ (data files, queries)."""
    families = [operation.family for operation in operations]

    def seen(name: str, prefix: str) -> bool:
        return any(name == found and path.startswith(prefix) for found, path in families)

    assert seen("open", "/.locks/commit.lock")  # Python
    assert seen("link", "/events/_delta_log/N.json")  # Rust
    assert seen("rename", "/events/_delta_log/_last_checkpoint")
    assert seen("write", "/events/_staging/merged")  # Arrow
    assert seen("open", "/objects/objects")  # DuckDB
    assert seen("unlink", "/events/collected_on=N/")
    assert {name for name, _ in families} >= KINDS.keys() - {"truncate"}
    assert tables(Lake(sound)).observations.snapshot().rows  # the Portal was asked for folders


@pytest.mark.timeout(1800 + scaled(1800))
def test_no_operation_that_fails_costs_an_event(
    runner: Runner, operations: list[Operation], expected: dict[str, list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    """Killed or refused at any operation: it ends in clear words, and the next run makes the store whole."""
    wrong = []
    for trial, (operation, kind) in zip(range(TRIALS), _by_turns(operations), strict=False):
        data = tmp_path / f"lake-{trial}"
        ended = runner.collect(data, at=operation.number, kind=kind, hasty=True)
        found = list(wrong_after(ended, data, partial(runner.collect, data, hasty=True), expected))
        if not found:
            found = [f"left behind: {path}" for path in strays(data)]
        if found:
            wrong.append(f"{kind} at {operation.number}, {' '.join(operation.family)}: {'; '.join(found)}")
            print(wrong[-1])  # in case the whole is cut short
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def operations(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> list[Operation]:
    """The file operations of a run without faults."""
    scratch = tmp_path_factory.mktemp("counted")
    ended = runner.collect(scratch / "lake", log=scratch / "log", hasty=True)
    assert ended.code == 0, ended.said
    found = []
    for line in (scratch / "log").read_text().splitlines():
        number, name, path = line.split(" ", 2)
        found.append(Operation(int(number), name, path.removeprefix(str(scratch / "lake"))))
    return found


def _by_turns(operations: list[Operation]) -> Iterator[tuple[Operation, str]]:
    """Each operation with each fault, by lot, a family at a time: the first few are of all kinds."""
    lots = Random(SEED)
    families: dict[tuple[str, str], list[tuple[Operation, str]]] = defaultdict(list)
    for operation in operations:
        families[operation.family] += [(operation, kind) for kind in KINDS[operation.name]]
    columns = list(families.values())
    for column in columns:
        lots.shuffle(column)
    for row in zip_longest(*columns):
        turn = [each for each in row if each is not None]
        lots.shuffle(turn)
        yield from turn
