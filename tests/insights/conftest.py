"""A small seeded world whose activity is known row by row, as frames and as a DuckDB connection."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest

from ctera_insights.insights import Insights

START = datetime(2026, 3, 1, tzinfo=UTC)
CLOUD_FOLDERS = {16: "Projects", 40: "Marketing 📣", 77: 'O\'Neill "Archive"'}
EXTENSIONS = ["pdf", "docx", "xlsx", "png", "", "log"]
ACLS = ["O:BAD:(A;OICI;FA;;;BA)", "O:BAD:(A;OICI;FA;;;BA)(A;OICI;FR;;;WD)", "O:BAD:(A;;FA;;;BA)(A;;FR;;;BU)"]


BATCHES = """
CREATE VIEW batches AS
SELECT feed, batch, any_value(epoch) AS epoch, max(collected_at) AS collected_at, count(*) AS events,
    (batch = 2)::BIGINT AS quarantined, any_value(caught_up) AS caught_up
FROM events GROUP BY feed, batch
"""


@dataclass
class Thing:
    guid: str
    folder_id: int
    parent: Thing | None
    name: str
    type: str
    size: int | None = None
    acl: str | None = None
    at: datetime = START
    file_timestamp: datetime | None = None
    deleted: bool = False
    children: list[Thing] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{self.parent.path}/{self.name}" if self.parent else self.name

    @property
    def extension(self) -> str | None:
        if self.type != "file":
            return None
        return self.name.rpartition(".")[2].lower() if "." in self.name else ""


class Maker:
    """Makes activity as the activity room would: every row consistent with the states before it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.things: list[Thing] = []
        self.activity: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.now = START
        self.phase = "baseline"

    def add(
        self, parent: Thing | None, name: str, type_: str, size: int | None = None, folder_id: int = 0
    ) -> Thing:
        thing = Thing(
            f"4fbc5aca:{len(self.things) + 1}",
            parent.folder_id if parent else folder_id,
            parent,
            name,
            type_,
            size,
            self.random.choice(ACLS),
        )
        thing.file_timestamp = self.now - timedelta(hours=self.random.randint(0, 24 * 900))
        self.things.append(thing)
        if parent:
            parent.children.append(thing)
        self.emit(thing, "created", size or 0)
        return thing

    def emit(
        self, thing: Thing, op: str, delta: int, old_path: str | None = None, old_acl: str | None = None
    ) -> None:
        seq = len(self.activity) + 1
        thing.at = self.now
        batch = seq // 50 + 1
        common = {
            "feed": "portal",
            "seq": seq,
            "batch": batch,
            "epoch": 1,
            "collected_at": self.now + timedelta(seconds=self.random.randint(1, 300)),
            "phase": self.phase,
            "type": thing.type,
            "guid": thing.guid,
            "folder_id": thing.folder_id,
            "name": thing.name,
            "size": thing.size,
            "deleted": thing.deleted,
            "file_timestamp": thing.file_timestamp,
            "acl": thing.acl,
        }
        self.activity.append(
            common
            | {
                "at": self.now,
                "op": op,
                "cloud_folder": CLOUD_FOLDERS[thing.folder_id],
                "path": thing.path,
                "old_path": old_path,
                "extension": thing.extension,
                "depth": thing.path.count("/"),
                "size_delta": delta,
                "acl_changed": old_acl is not None,
                "old_acl": old_acl,
            }
        )
        self.events.append(common | {"portal_modified_date": self.now, "caught_up": batch % 3 == 0})

    def live(self, changes: int) -> None:
        self.phase = "live"
        rnd = self.random
        for i in range(changes):
            self.now += timedelta(minutes=rnd.expovariate(1 / 40))
            files = [t for t in self.things if t.type == "file"]
            alive = [t for t in files if not t.deleted]
            folders = [t for t in self.things if t.type == "folder" and not t.deleted]
            kind = rnd.random()
            thing = alive[int(len(alive) * rnd.random() ** 3)]
            if kind < 0.3:
                extension = rnd.choice(EXTENSIONS)
                name = f"new {i}" + (
                    f".{extension.upper() if i % 9 == 0 else extension}" if extension else ""
                )
                self.add(rnd.choice(folders), name, "file", int(10 ** rnd.uniform(0, 9)))
            elif kind < 0.7:
                size = max(0, (thing.size or 0) + rnd.randint(-50_000, 90_000))
                delta, thing.size = size - (thing.size or 0), size
                thing.file_timestamp = self.now
                self.emit(thing, "modified", delta)
            elif kind < 0.76:
                old, thing.name = thing.path, f"renamed {i}" + thing.name[thing.name.rfind(".") :]
                self.emit(thing, "renamed", 0, old)
            elif kind < 0.82:
                old = thing.path
                thing.parent = rnd.choice([f for f in folders if f.folder_id == thing.folder_id])
                self.emit(thing, "moved", 0, old)
            elif kind < 0.9:
                thing.deleted = True
                self.emit(thing, "deleted", -(thing.size or 0))
            elif kind < 0.93:
                gone = [t for t in files if t.deleted]
                if gone:
                    thing = rnd.choice(gone)
                    thing.deleted = False
                    self.emit(thing, "restored", thing.size or 0)
            elif kind < 0.97:
                old_acl = thing.acl
                thing.acl = rnd.choice([a for a in ACLS if a != old_acl])
                self.emit(thing, "acl_changed", 0, old_acl=old_acl)
            else:
                self.emit(thing, "unchanged", 0)


@dataclass
class World:
    activity: pd.DataFrame
    objects: pd.DataFrame
    events: pd.DataFrame

    @property
    def changes(self) -> pd.DataFrame:
        return self.activity[(self.activity.phase == "live") & (self.activity.op != "unchanged")]

    @property
    def files(self) -> pd.DataFrame:
        return self.objects[(self.objects.type == "file") & ~self.objects.deleted]


def make_world(seed: int = 7, changes: int = 2000) -> World:
    maker = Maker(seed)
    for folder_id, name in CLOUD_FOLDERS.items():
        root = maker.add(None, name, "folder", folder_id=folder_id)
        for i in range(4):
            folder = maker.add(root, f"Team {i}", "folder")
            for j in range(3):
                inner = maker.add(folder, f"Änderung {j}", "folder")
                for k in range(6):
                    extension = maker.random.choice(EXTENSIONS)
                    file = f"file {k % 4}" + (f".{extension}" if extension else "")
                    maker.add(inner, file, "file", maker.random.choice([0, 1234, 1_000_000, 77_000_000]))
    maker.live(changes)
    activity = pd.DataFrame(maker.activity)
    objects = pd.DataFrame(
        {
            "feed": "portal",
            "folder_id": t.folder_id,
            "guid": t.guid,
            "parent_guid": t.parent.guid if t.parent else None,
            "id": i,
            "type": t.type,
            "name": t.name,
            "cloud_folder": CLOUD_FOLDERS[t.folder_id],
            "path": t.path,
            "extension": t.extension,
            "depth": t.path.count("/"),
            "size": t.size,
            "file_timestamp": t.file_timestamp,
            "portal_modified_date": t.at,
            "deleted": t.deleted,
            "acl": t.acl,
        }
        for i, t in enumerate(maker.things)
    )
    events = pd.DataFrame(maker.events)
    for frame in (activity, objects, events):
        frame["size"] = frame["size"].astype("Int64")
    return World(activity, objects, events)


def connect_to(world: World) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for table, frame in (("activity", world.activity), ("objects", world.objects), ("events", world.events)):
        connection.register("frame", frame)
        connection.execute(f"CREATE TABLE {table} AS FROM frame")
        connection.unregister("frame")
    connection.execute(BATCHES)
    return connection


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def insights(world: World) -> Insights:
    return Insights(connect_to(world))


@pytest.fixture(scope="session")
def connection_of():
    return connect_to
