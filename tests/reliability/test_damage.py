"""Bytes change and files vanish: the product refuses or tells, and deletes nothing."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.reliability.world import SEED, VIEWS, Runner, content, findings, scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TRIALS: Final = scaled(32)
DIGESTS: Final = "SELECT " + ", ".join(f"(SELECT sum(hash(v)) FROM {view} v) AS {view}" for view in VIEWS)
"""SQL: one number for each view, which changes with any value in it."""
FAMILIES: Final = {
    **{
        f"data of {table}": f"{table}/**/[!_0]*.parquet"
        for table in ("events", "quarantine", "activity", "objects", "folders", "observations")
    },
    **{
        f"log of {table}": f"{table}/_delta_log/*.json"
        for table in ("events", "quarantine", "activity", "objects", "folders", "observations")
    },
    "checkpoints": "*/_delta_log/*.checkpoint.parquet",
    "pointers to checkpoints": "*/_delta_log/_last_checkpoint",
    "locks": ".locks/*.lock",
    "staged files": "*/_staging/*",
}


def _flip(lots: Random, path: Path) -> None:
    """One bit is another."""
    bytes_ = bytearray(path.read_bytes() or b"\0")
    bytes_[lots.randrange(len(bytes_))] ^= 1 << lots.randrange(8)
    path.write_bytes(bytes_)


def _blank(lots: Random, path: Path) -> None:
    """A sector of 512 bytes is zero."""
    bytes_ = bytearray(path.read_bytes())
    start = lots.randrange(max(len(bytes_), 1)) & ~511
    bytes_[start : start + 512] = bytes(len(bytes_[start : start + 512]))
    path.write_bytes(bytes_)


def _cut(lots: Random, path: Path) -> None:
    """The end is missing."""
    path.write_bytes(path.read_bytes()[: lots.randrange(max(path.stat().st_size, 1))])


def _empty(_: Random, path: Path) -> None:
    """Nothing is in it, as after a power failure."""
    path.write_bytes(b"")


def _swap(lots: Random, path: Path) -> None:
    """It has the content of its neighbour."""
    neighbours = [other for other in path.parent.iterdir() if other.suffix == path.suffix and other.is_file()]
    path.write_bytes(lots.choice(sorted(neighbours)).read_bytes())


def _vanish(_: Random, path: Path) -> None:
    """It is gone."""
    path.unlink()


DAMAGES: Final[tuple[Callable[[Random, Path], None], ...]] = (
    _flip,
    _flip,
    _blank,
    _cut,
    _empty,
    _swap,
    _vanish,
)


@pytest.fixture(scope="module")
def unfinished(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose collector was killed on the way, with a file in the making."""
    scratch = tmp_path_factory.mktemp("unfinished")
    data = scratch / "lake"
    assert runner.collect(scratch / "whole", log=scratch / "log").code == 0
    staged = [
        int(line.split()[0])
        for line in (scratch / "log").read_text().splitlines()
        if " fsync " in line and "/events/_staging/portal" in line
    ]
    for number in staged[len(staged) // 2 :]:
        assert runner.collect(data, at=number, kind="kill").code == -9
        assert runner.run(data, "enrich").code == 0
        if not findings(data):  # else the batch had entries to quarantine, which stand there already
            break
        shutil.rmtree(data)
    return data


@pytest.mark.timeout(1800 + scaled(1800))
def test_damage_is_refused_or_told_and_nothing_is_deleted(
    runner: Runner, unfinished: Path, sound: Path, expected: dict[str, list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    """No answer differs unless `check` says that the store is damaged, and every file that is left stays."""
    lots = Random(SEED)
    true = {each: runner.run(each, "sql", "--format", "csv", DIGESTS) for each in (unfinished, sound)}
    assert all(answer.code == 0 for answer in true.values())
    wrong = []
    for trial in range(TRIALS):
        family = list(FAMILIES)[trial % len(FAMILIES)]
        stores = [unfinished, sound]  # one goes on, the other is at its end
        lots.shuffle(stores)
        whole = next(store for store in stores if list(store.glob(FAMILIES[family])))
        data = tmp_path / f"lake-{trial}"
        shutil.copytree(whole, data)
        path = lots.choice(sorted(data.glob(FAMILIES[family])))
        damage = lots.choice(DAMAGES)
        damage(lots, path)
        if found := list(_trial(runner, data, true[whole].said, expected)):
            wrong.append(f"{damage.__name__} {path.relative_to(data)} ({family}): {'; '.join(found)}")
            print(wrong[-1])  # in case the whole is cut short
    assert not wrong, "\n".join(wrong)


def _trial(
    runner: Runner, data: Path, true: str, expected: dict[str, list[tuple[Any, ...]]]
) -> Iterator[str]:
    """What does not hold of a damaged store."""
    answer = runner.run(data, "sql", "--format", "csv", DIGESTS)
    if not answer.was_clear():
        yield f"`sql` ended with {answer.last}"
    check = runner.run(data, "check")
    if not check.was_clear() and check.code != 7:
        yield f"`check` ended with {check.last}"
    if answer.code == 0 and answer.said != true and check.code != 7:
        yield f"`sql` answers otherwise, and `check` says {check.last}"
    before = _data_files(data)
    collected = runner.collect(data)
    if not collected.was_clear():
        yield f"`collect` ended with {collected.last}"
    merged = runner.run(data, "optimize")
    if not merged.was_clear():
        yield f"`optimize` ended with {merged.last}"
    if gone := before - _data_files(data):
        yield f"deleted: {sorted(gone)[:3]}"
    if collected.code == 0:
        check = runner.run(data, "check")
        if check.code == 0:
            found = content(data)
            differing = [view for view, rows in expected.items() if found[view] != rows]
            if differing:
                yield f"`collect` goes on, `check` finds nothing, and {differing} differ"


def _data_files(data: Path) -> set[str]:
    return {
        path.relative_to(data).as_posix()
        for path in data.glob("*/**/*.parquet")
        if not {"_staging", "_delta_log"} & set(path.parts)
    }
