"""SIGKILL at any moment, with a Portal in trouble: every event in the store, each once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import duckdb
import msgspec
import pytest

from ctera_insights.insights.views import connect
from ctera_insights.lake import Lake
from ctera_insights.simulator import Feed, SimulatedPortal, World

if TYPE_CHECKING:
    from pathlib import Path

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
KILLS = 20 * SCALE
EVENTS = 240_000 * SCALE
BATCH_ROWS = 500


@pytest.mark.timeout(900)
def test_a_drain_killed_again_and_again_holds_each_event_once(tmp_path: Path) -> None:
    """The multiset of events equals what was served; an old snapshot stays readable all the while."""
    feed = Feed(identity="kill", inventory="start")
    world = World(feed)
    root = world.cloud_folder("Projects")
    files = [world.create(root, f"file {n}", size=n) for n in range(EVENTS // 3)]
    feed.begin_live()
    for file in files:
        world.write(file, size=1)
        world.rename(file, f"{file.name}.bak")
    faults = (
        "status:503:0.05:retry_after=none,cut:0.05,reset:0.03,html:0.03,empty:0.03,"
        "unreadable:0.001,kill-session:every=20,slow:0.3:seconds=0.05"
    )
    data = tmp_path / "lake"
    environment = {**os.environ, "CTERA_INSIGHTS_PASSWORD": "pw"}
    kills = 0
    lots = random.Random(7)
    with SimulatedPortal(world, password="pw", faults=faults).run_in_thread() as portal:
        command = [
            *(sys.executable, "-m", "ctera_insights", "collect", "--portal", portal.url),
            *("--user", "admin", "--data", str(data), "--batch-rows", str(BATCH_ROWS), "--feed", "killed"),
        ]
        reader = _Reader(data)
        for _ in range(KILLS):
            collector = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
            _wait_for_commits(data, lots.randint(1, 2), collector)
            time.sleep(lots.uniform(0, 0.1))  # some moment of fetching, decoding, writing or committing
            kills += collector.poll() is None
            collector.kill()
            collector.wait()
            reader.start_when_ready()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        reader.stop()
    served = Counter(
        (entry.get("guid"), entry.get("name"), entry.get("size"), entry.get("gvsn"))
        for entry in msgspec.json.decode(b"[" + b",".join(_all_entries(feed)) + b"]")
    )
    lake = Lake(data)
    with connect(lake) as connection:
        stored = Counter(connection.sql("SELECT guid, name, size, gvsn FROM events").fetchall())
        quarantined = connection.sql("SELECT count(*) FROM quarantine").fetchall()[0][0]
    assert kills == KILLS
    assert max(stored.values()) == 1
    assert not stored - served
    assert sum(served.values()) - sum(stored.values()) == quarantined
    assert lake.check() == []
    _optimize(data)
    assert lake.check() == []
    glob = f"{data}/events/**/*.parquet"
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT seq) FROM '{glob}'").fetchall() == [
        (stored.total(), stored.total())
    ]
    assert reader.queries > 0
    assert reader.error is None


def _wait_for_commits(data: Path, more: int, collector: subprocess.Popen[bytes]) -> None:
    log = data / "events" / "_delta_log"
    before = len(list(log.glob("*.json")))
    while len(list(log.glob("*.json"))) < before + more and collector.poll() is None:
        time.sleep(0.005)


def _all_entries(feed: Feed) -> list[bytes]:
    entries, cursor, more = [], None, True
    while more or len(entries) < len(feed):
        page = msgspec.json.decode(feed.page(cursor, [], 10_000), type=_Page)
        entries += [bytes(entry) for entry in page.entries]
        cursor, more = page.cursor, page.has_more
    return entries


class _Page(msgspec.Struct):
    cursor: str
    has_more: bool
    entries: list[msgspec.Raw]


def _optimize(data: Path) -> None:
    subprocess.run(
        [*(sys.executable, "-m", "ctera_insights", "optimize"), "--data", str(data), "--keep-replaced", "0"],
        check=True,
        stdout=subprocess.DEVNULL,
    )


class _Reader:
    """Queries the first snapshot it saw, over and over."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.queries = 0
        self.error: Exception | None = None

    def start_when_ready(self) -> None:
        if self._thread is None and (self._data / "events" / "_delta_log").is_dir():
            self._thread = threading.Thread(target=self._run)
            self._thread.start()

    def _run(self) -> None:
        try:
            with connect(Lake(self._data)) as connection:
                first = connection.sql("SELECT count(*), max(seq) FROM events").fetchall()
                while not self._end.is_set():
                    assert connection.sql("SELECT count(*), max(seq) FROM events").fetchall() == first
                    self.queries += 1
                    time.sleep(0.2)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test tells it
            self.error = error

    def stop(self) -> None:
        self._end.set()
        if self._thread:
            self._thread.join()
