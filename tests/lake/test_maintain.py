from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from ctera_insights.lake import FeedWriter, Lake, maintain
from ctera_insights.lake.maintain import _merge
from ctera_insights.lake.writer import MAINTAIN_EVERY
from tests.lake.conftest import FEED, fill, page

if TYPE_CHECKING:
    import pyarrow as pa


def content(lake: Lake) -> pa.Table:
    return lake.events.snapshot().dataset().to_table().sort_by("seq")


def test_merging_changes_files_and_no_row(lake: Lake) -> None:
    fill(lake, 12)
    before = content(lake)
    done = maintain(lake.events, everything=True)
    assert (done.merged, done.into) == (12, 1)
    assert len(lake.events.snapshot().files) == 1
    assert content(lake).equals(before)
    assert lake.check() == []


def test_rows_lie_sorted_by_folder_in_a_merged_file(lake: Lake) -> None:
    """So that a query on one folder reads few row groups."""
    with FeedWriter(lake, FEED) as writer:
        for folder in (40, 16, 40, 16):
            writer.commit([page(["a"], folder)], [], cursor=str(folder), caught_up=True)
    maintain(lake.events, everything=True)
    rows = lake.events.snapshot().dataset().to_table()
    assert rows["folder_id"].to_pylist() == [16, 16, 40, 40]


def test_a_reader_of_an_old_snapshot_never_loses_a_file(lake: Lake) -> None:
    """Replaced files stay for the grace period, and go when it is waived."""
    fill(lake, 10)
    old = lake.events.snapshot()
    maintain(lake.events, everything=True)
    assert old.dataset().count_rows() == 30
    done = maintain(lake.events, everything=True, keep_replaced_hours=0)
    assert done.removed == 10
    with pytest.raises(FileNotFoundError):
        old.dataset().count_rows()


def test_a_plain_glob_is_exact_once_nothing_replaced_is_left(lake: Lake) -> None:
    """Even when the log had been folded into a checkpoint, which is a Parquet file as well."""
    fill(lake, 10)
    lake.events.delta().create_checkpoint()
    maintain(lake.events, everything=True, keep_replaced_hours=0)
    glob = f"{lake.uri}/events/**/*.parquet"
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT seq) FROM '{glob}'").fetchall() == [(30, 30)]
    fill(lake, 1)
    assert lake.status().events == 33


def test_a_checkpoint_stays_while_a_writer_may_need_it(lake: Lake) -> None:
    fill(lake, 2)
    with FeedWriter(lake, FEED) as writer:
        lake.events.delta(refresh=True).create_checkpoint()
        maintain(Lake(lake.uri).events, everything=True, keep_replaced_hours=0)
        writer.commit([page(["a"])], [], cursor="c3", caught_up=True)
    assert lake.check() == []


def test_two_merges_at_once_double_nothing(lake: Lake) -> None:
    """One of them merges; the other is told to leave it, or is fenced."""
    fill(lake, 12)
    others = [
        threading.Thread(target=maintain, args=(Lake(lake.uri).events,), kwargs={"everything": True})
        for _ in range(3)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert content(lake).num_rows == 36
    assert lake.check() == []


def test_a_merge_that_lost_a_race_withdraws_its_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock, the fence decides: the same files are never replaced twice."""
    fill(lake, 9)
    slow, quick = lake.events, Lake(lake.uri).events
    write = type(slow).write_merged

    def overtaken(table, *args, **kwargs):
        written = write(table, *args, **kwargs)
        if table is slow:
            assert _merge(quick, quick.snapshot().files)
        return written

    monkeypatch.setattr(type(lake.locks), "maintenance", lambda _: _Mine())
    monkeypatch.setattr(type(slow), "write_merged", overtaken)
    maintain(slow, everything=True)
    assert content(Lake(lake.uri)).num_rows == 27
    assert lake.check() == []


class _Mine:
    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None: ...


def test_compaction_runs_by_itself_and_keeps_up(lake: Lake) -> None:
    """However many small batches come, the number of files stays small."""
    fill(lake, 2 * MAINTAIN_EVERY, rows=1)
    assert len(lake.events.snapshot().files) < 16
    assert content(lake)["seq"].to_pylist() == list(range(1, 2 * MAINTAIN_EVERY + 1))


def test_files_of_different_days_are_not_merged(lake: Lake) -> None:
    """A partition is a directory; each keeps its own files."""
    fill(lake, 3)
    import datetime as dt

    yesterday = content(lake)
    yesterday = yesterday.set_column(
        yesterday.column_names.index("collected_on"),
        "collected_on",
        [[dt.date(2020, 1, 1)] * len(yesterday)],
    ).cast(yesterday.schema)
    lake.events.append(yesterday, app_id="import", version=1)
    lake.events.append([yesterday], app_id="import", version=2)
    maintain(lake.events, everything=True)
    assert min(Path(file.path).parent.name for file in lake.events.snapshot().files) == (
        "collected_on=2020-01-01"
    )
    assert len(lake.events.snapshot().files) == 2
