"""Whatever happens in a world, and however it is told: the tables say what a plain model says."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ctera_insights.activity import enrich_lake_plain
from ctera_insights.activity.compact import tidy
from ctera_insights.activity.store import connection, tables
from ctera_insights.lake import Lake, Table
from tests.activity.oracle import Batch, Expected, Row, expect
from tests.activity.world import FEED, Scene, content, rows

if TYPE_CHECKING:
    from ctera_insights.simulator import Node

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
NAMES = st.sampled_from(
    [
        "a",
        "A",
        "b.txt",
        "caf\u00e9",
        "cafe\u0301",
        "new\nline",
        'it\'s "quoted"',
        "..",
        "\U0001f4c1",
        "x" * 255,
        "a?b*[c]",
    ]
)
ACLS = st.sampled_from(["D:(A;;FA;;;BA)", "D:(A;;FR;;;WD)"])


class Killed(Exception):
    """Stands for SIGKILL between two commits."""


class Lives(RuleBasedStateMachine):
    """A world that lives, a feed that tells of it well or badly, and runs that come, go and die."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="lives-"))
        self.scene = Scene(self.home / "lake")
        self.batches: list[Batch] = []
        self.dead: list[Node] = []
        self.latest: dict[str, dict[str, Any]] = {}
        self.held: list[dict[str, Any]] = []
        self.epoch = 1
        self.enriched = 0

    def teardown(self) -> None:
        if self.batches:
            self.enrich(2)
            before = content(self.scene.lake)
            enrich_lake_plain(self.scene.lake, rebuild=True, step_rows=3)
            assert content(self.scene.lake) == before
        shutil.rmtree(self.home)

    # What happens in the world

    def folders(self) -> list[Node]:
        return [node for node in self.scene.root.walk() if node.type == "folder"]

    def inner(self) -> list[Node]:
        return [node for node in self.scene.root.walk() if node.parent is not None]

    def pick(self, nodes: list[Node], n: int) -> Node:
        return nodes[n % len(nodes)]

    @initialize()
    def begin(self) -> None:
        docs = self.scene.world.create(self.scene.root, "docs", type="folder", at=self.scene.at())
        self.scene.world.create(docs, "f", size=5, at=self.scene.at())

    @rule(n=st.integers(0, 99), name=NAMES, folder=st.booleans(), size=st.integers(0, 1000))
    def create(self, n: int, name: str, folder: bool, size: int) -> None:
        parent = self.pick(self.folders(), n)
        if name in parent.children:
            return
        kind = "folder" if folder else "file"
        self.scene.world.create(parent, name, type=kind, size=0 if folder else size, at=self.scene.at())

    @precondition(lambda self: self.inner())
    @rule(n=st.integers(0, 99), size=st.integers(0, 1000))
    def write(self, n: int, size: int) -> None:
        node = self.pick(self.inner(), n)
        if node.type == "file":
            self.scene.world.write(node, size=size, at=self.scene.at())

    @precondition(lambda self: self.inner())
    @rule(n=st.integers(0, 99), name=NAMES)
    def rename(self, n: int, name: str) -> None:
        node = self.pick([self.scene.root, *self.inner()], n)
        if node.parent is None or name not in node.parent.children:
            self.scene.world.rename(node, name, at=self.scene.at())

    @precondition(lambda self: self.inner())
    @rule(n=st.integers(0, 99), m=st.integers(0, 99))
    def move(self, n: int, m: int) -> None:
        node = self.pick(self.inner(), n)
        targets = [f for f in self.folders() if f not in set(node.walk()) and node.name not in f.children]
        if targets:
            self.scene.world.move(node, self.pick(targets, m), at=self.scene.at())

    @precondition(lambda self: self.inner())
    @rule(n=st.integers(0, 99), listed=st.booleans())
    def delete(self, n: int, listed: bool) -> None:
        node = self.pick(self.inner(), n)
        self.scene.world.delete(node, at=self.scene.at(), tombstones="all" if listed else "top")
        self.dead.append(node)

    @precondition(lambda self: self.dead)
    @rule()
    def restore(self) -> None:
        node = self.dead.pop()
        if node.parent is not None and not node.parent.deleted and node.name not in node.parent.children:
            self.scene.world.restore(node, at=self.scene.at())

    @precondition(lambda self: self.inner())
    @rule(n=st.integers(0, 99), acl=ACLS)
    def acl(self, n: int, acl: str) -> None:
        self.scene.world.set_acl(self.pick(self.inner(), n), acl, at=self.scene.at())

    # How it is told

    @rule(
        cut=st.integers(1, 6),
        coalesce=st.booleans(),
        thin=st.booleans(),
        again=st.booleans(),
        hold=st.booleans(),
        seed=st.integers(0, 2**16),
    )
    def collect(self, cut: int, coalesce: bool, thin: bool, again: bool, hold: bool, seed: int) -> None:
        """Pages in disorder, with repeats, with tombstones that tell little, some states a page late."""
        lots = random.Random(seed)
        entries = self._published()
        if coalesce:
            entries = list({entry["guid"]: entry for entry in entries}.values())
        if thin:
            entries = [self._thin(entry) for entry in entries]
        entries, self.held = self.held + entries, []
        if hold and self.batches:
            self.held = [entry for entry in entries if lots.random() < 0.2]
            entries = [entry for entry in entries if entry not in self.held]
        if again and self.batches:
            entries += lots.sample(self.batches[-1].entries, min(2, len(self.batches[-1].entries)))
        size = max(1, len(entries) // cut + 1)
        pages = [entries[i : i + size] for i in range(0, len(entries), size)] or [[]]
        for n, page in enumerate(pages):
            lots.shuffle(page)
            self._commit(page, caught_up=n == len(pages) - 1)

    @precondition(lambda self: self.batches and not self.held)
    @rule(cut=st.integers(1, 3), seed=st.integers(0, 2**16))
    def resync(self, cut: int, seed: int) -> None:
        """A new inventory of what lives now; what was published before it is never told."""
        self._published()
        living = [self.latest[self.scene.guid(node)] for node in self.scene.root.walk()]
        random.Random(seed).shuffle(living)
        self.epoch += 1
        size = len(living) // cut + 1
        for n, start in enumerate(range(0, len(living), size)):
            page = living[start : start + size]
            last = start + size >= len(living)
            self.scene.commit(page, caught_up=last, restart=n == 0)
            self.batches.append(Batch(page, self.epoch, "baseline", completes=last))

    def _published(self) -> list[dict[str, Any]]:
        entries = self.scene.take()
        self.latest.update((entry["guid"], entry) for entry in entries)
        return entries

    @staticmethod
    def _thin(entry: dict[str, Any]) -> dict[str, Any]:
        if not entry["deleted"]:
            return entry
        return {key: entry[key] for key in ("guid", "folder_id", "type", "name", "deleted", "gvsn")}

    def _commit(self, entries: list[dict[str, Any]], *, caught_up: bool) -> None:
        first = not any(batch.phase == "live" or batch.completes for batch in self.batches)
        self.scene.commit(entries, caught_up=caught_up)
        if entries:
            self.batches.append(
                Batch(
                    entries,
                    self.epoch,
                    "baseline" if first and self.epoch == 1 else "live",
                    completes=caught_up,
                )
            )

    # What is made of it

    @rule(step_rows=st.integers(1, 20))
    def enrich(self, step_rows: int) -> None:
        if not self.batches:
            return
        enrich_lake_plain(self.scene.lake, step_rows=step_rows)
        self.enriched = len(self.batches)
        self.check()

    @precondition(lambda self: self.batches)
    @rule(commits=st.integers(0, 8), step_rows=st.integers(1, 20))
    def die(self, commits: int, step_rows: int) -> None:
        """The process dies before its next commit; another one starts later."""
        real = Table.commit
        left = commits

        def dying(table: Table, *args: Any, **kwargs: Any) -> int:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return real(table, *args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Table, "commit", dying)
            try:
                enrich_lake_plain(Lake(self.scene.path), step_rows=step_rows)
            except Killed:
                self.enriched = 0
            else:
                self.enriched = len(self.batches)
        self.scene.lake = Lake(self.scene.path)
        rows(self.scene.lake, "SELECT count(*) FROM objects")

    @precondition(lambda self: self.enriched)
    @rule()
    def compact(self) -> None:
        self.enrich(1000)
        with connection() as con:
            tidy(con, tables(self.scene.lake), FEED, everything=True)
        self.check()

    @precondition(lambda self: self.enriched)
    @rule(step_rows=st.integers(1, 20))
    def rebuild(self, step_rows: int) -> None:
        enrich_lake_plain(self.scene.lake, rebuild=True, step_rows=step_rows)
        self.enriched = len(self.batches)
        self.check()

    def check(self) -> None:
        expected = expect(self.batches)
        compare(self.scene.lake, expected)


def compare(lake: Lake, expected: Expected) -> None:
    found = rows(lake, "SELECT * FROM activity")
    told = {
        row["seq"]: Row(
            row["op"], row["path"], row["old_path"], row["size"], row["size_delta"], row["acl_changed"]
        )
        for row in found
        if row["seq"] is not None
    }
    assert told == expected.rows
    assert len(told) == sum(row["seq"] is not None for row in found)
    vanished = Counter((row["op"], row["path"]) for row in found if row["seq"] is None)
    assert vanished == Counter(expected.vanished)
    objects = {row["guid"]: (row["path"], row["deleted"], row["size"]) for row in rows(lake, "FROM objects")}
    assert objects == expected.objects
    folders = {row["guid"]: (row["path"], row["deleted"]) for row in rows(lake, "FROM folders")}
    assert folders.items() <= {guid: each[:2] for guid, each in expected.objects.items()}.items()


def test_the_tables_say_what_a_plain_model_says() -> None:
    """Any life of a world, told with repeats, disorder and gaps, through crashes, merges and rebuilds."""
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=12 * SCALE,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
