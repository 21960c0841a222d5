from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ctera_insights.activity import check_derived, enrich_lake_plain
from ctera_insights.errors import StoreDamaged, StoreNotFound
from ctera_insights.lake import FeedWriter, Lake, Rejected, maintain
from tests.lake.conftest import FEED, fill, page


def only_file(lake: Lake) -> Path:
    (file,) = lake.events.snapshot().files
    return Path(file.uri)


def test_a_sound_store_has_no_findings(lake: Lake) -> None:
    fill(lake, 3)
    assert lake.check() == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-10]), "bytes; the log says"),
        (lambda path: path.write_bytes(b"\0" * path.stat().st_size), "cannot be read"),
    ],
    ids=["lost", "cut", "overwritten"],
)
def test_a_file_that_is_not_what_the_log_says_is_named(lake: Lake, damage, told: str) -> None:
    fill(lake, 1)
    damage(only_file(lake))
    findings = lake.check()
    assert any(told in finding.what and "events/" in finding.where for finding in findings)


def test_an_event_that_stands_there_twice_or_not_at_all_is_named(lake: Lake) -> None:
    fill(lake, 2)
    rows = lake.events.snapshot().dataset().to_table()
    lake.events.append([rows.slice(0, 1)], app_id="stranger", version=1)
    assert any("more than once" in finding.what for finding in lake.check())
    stranger = next(f for f in lake.events.snapshot().files if f.rows == 1)
    first = next(f for f in lake.events.snapshot().files if f.max["batch"] == 1 and f.rows == 3)
    lake.events.replace([stranger, first], [], app_id="stranger", version=2)
    assert any("missing (3 such events)" in finding.what for finding in lake.check())


def test_rows_that_no_commit_accounts_for_are_named(lake: Lake) -> None:
    fill(lake, 1)
    rows = lake.events.snapshot().dataset().to_table().slice(0, 1)
    beyond = rows.set_column(rows.column_names.index("seq"), "seq", [[99]]).cast(rows.schema)
    lake.events.append([beyond], app_id="stranger", version=1)
    assert any("no commit accounts for" in finding.what for finding in lake.check())


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\v", "\x1c", "\r\n"], ids=ascii)
def test_a_cursor_and_a_feed_may_hold_any_separator_of_lines(lake: Lake, separator: str) -> None:
    """The log is JSON lines, which end at line feeds alone, whatever else ends a line of text."""
    for number in (1, 2):
        with FeedWriter(lake, f"a{separator}b") as writer:
            writer.commit([page([str(number)])], [], cursor=f"c{separator}{number}", caught_up=True)
    assert lake.check() == []
    assert lake.status().feeds[0].position.cursor == f"c{separator}2"


def test_progress_counts_files(lake: Lake) -> None:
    fill(lake, 3)
    seen: list[tuple[int, int]] = []
    lake.check(lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_place_where_nothing_was_collected_is_told_apart_from_damage(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound, match="collect"):
        Lake(tmp_path).check()


def test_a_torn_log_is_damage(lake: Lake) -> None:
    fill(lake, 2)
    (Path(lake.uri) / "events/_delta_log/00000000000000000001.json").write_bytes(b'{"add":{"pa')
    with pytest.raises(StoreDamaged):
        Lake(lake.uri).check()


@pytest.mark.parametrize("column", ["seq", "batch", "folder_id", "collected_at"])
def test_a_checkpoint_that_says_otherwise_than_the_files_is_damage(lake: Lake, column: str) -> None:
    """By the bounds of a column readers pass over files: a wrong one hides rows without a word."""
    fill(lake, 2)
    lake.events.delta(refresh=True).create_checkpoint()
    log = Path(lake.uri) / "events/_delta_log"
    for entry in sorted(log.glob("*.json"))[:-1]:
        entry.unlink()
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    actions = pq.read_table(checkpoint)
    adds = actions["add"].to_pylist()
    told = next(add for add in adds if add)
    statistics = json.loads(told["stats"])
    assert column in statistics["maxValues"]
    statistics["maxValues"][column] = statistics["minValues"][column] = (
        1 if isinstance(statistics["maxValues"][column], int) else "2001-01-01T00:00:00.000000Z"
    )
    if column in {"seq", "batch"}:
        statistics["maxValues"][column] = 7
    told["stats"] = json.dumps(statistics)
    at = actions.column_names.index("add")
    changed = actions.set_column(at, actions.schema.field(at), pa.array(adds, actions.schema.field(at).type))
    pq.write_table(changed, checkpoint)
    found = [str(finding) for finding in Lake(lake.uri).check()]
    assert any(f"reaches to {column} " in finding for finding in found), found


def test_status_tells_each_feed(lake: Lake) -> None:
    fill(lake, 2)
    fill(lake, 1, rows=5, feed="other")
    status = Lake(lake.uri).status()
    assert (status.events, status.batches, status.quarantined, status.files) == (11, 3, 0, 3)
    assert status.bytes > 0
    assert [feed.feed for feed in status.feeds] == ["other", FEED]
    assert status.cursor_sha256 == status.feeds[0].cursor_sha256


def test_a_store_that_is_written_and_merged_meanwhile_is_sound(lake: Lake) -> None:
    """Batches that came, and files that were merged and removed, while it was looked at are no findings."""
    fill(lake, 2)
    enrich_lake_plain(lake)
    end = threading.Event()

    def work() -> None:
        with FeedWriter(Lake(lake.uri), FEED) as writer:
            while not end.is_set():
                number = writer.position.batch + 1
                rejects = [Rejected(0, "no guid", b"{}")]
                writer.commit([page([f"{number}"])], rejects, cursor=f"c{number}", caught_up=True)
                if number % 5 == 0:
                    enrich_lake_plain(Lake(lake.uri))
                    for table in (writer.lake.events, writer.lake.quarantine):
                        maintain(table, everything=True, keep_replaced_hours=0)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(work)
        try:
            for _ in range(8):
                looking = Lake(lake.uri)
                assert looking.check() == []
                assert check_derived(looking) == []
        finally:
            end.set()
        writing.result()
    assert Lake(lake.uri).check() == []
