"""Generated offices: the same for a seed, always a consistent tree, with incidents where they are planted."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tracemalloc
import zlib
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ctera_insights.errors import UsageError
from ctera_insights.simulator import Feed, World
from ctera_insights.simulator.sources.base import Source
from ctera_insights.simulator.sources.scenario import SCENARIOS, ScenarioSource

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
UUID = "7f3c1a52-0d5e-4c57-9a67-b7b1f0a3c9d4"


def told(source: ScenarioSource) -> tuple[World, list[dict[str, Any]], int]:
    """Play a scenario; give the world, its states, and how many of them are the inventory."""
    world = World(Feed(), portal_uuid=UUID)
    source.populate(world)
    inventory = len(world.feed)
    moments = list(source.history(world))
    assert all(isinstance(moment, datetime) for moment in moments)
    return world, [msgspec.json.decode(raw) for raw in world.feed.log()], inventory


class Tree:
    """Follows the states, and refuses what no tree can be."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.names: dict[str, dict[str, str]] = defaultdict(dict)

    def take(self, entry: dict[str, Any]) -> str:
        """Take one state, and say what it tells."""
        guid = entry["guid"]
        before = self.known.get(guid)
        parent = entry.get("parent_guid")
        if before is None:
            assert not entry["deleted"]
            word = "created"
        else:
            assert (before["type"], before["id"], before["folder_id"]) == (
                entry["type"],
                entry["id"],
                entry["folder_id"],
            )
            word = self._compare(before, entry)
            if before.get("parent_guid") is not None:
                self.names[before["parent_guid"]].pop(before["name"], None)
        self.known[guid] = entry
        if parent is not None and not entry["deleted"]:
            assert parent in self.known
            assert not self.known[parent]["deleted"]
            assert self.known[parent]["type"] == "folder"
            assert self.known[parent]["folder_id"] == entry["folder_id"]
            assert self.names[parent].get(entry["name"], guid) == guid, entry["name"]
            self.names[parent][entry["name"]] = guid
        return word

    def _compare(self, before: dict[str, Any], entry: dict[str, Any]) -> str:
        if entry["deleted"]:
            assert not before["deleted"]
            return "deleted"
        if before["deleted"]:
            return "restored"
        if (before["size"], before["file_timestamp"]) != (entry["size"], entry["file_timestamp"]):
            assert before["size"] != entry["size"]
            return "written"
        if before["acl"] != entry["acl"]:
            return "shared"
        assert (before["name"], before["parent_guid"]) != (entry["name"], entry["parent_guid"])
        return "renamed" if before["parent_guid"] == entry["parent_guid"] else "moved"


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_state_is_one_of_a_consistent_tree(name: str):
    """Parents exist, names are free, sizes change on a write, times never go back, the number is as asked."""
    events = min(SCENARIOS[name].events, 8000 * SCALE)
    source = ScenarioSource(name, events=events, seed=3)
    _, states, inventory = told(source)
    tree = Tree()
    words: Counter[str] = Counter()
    last = ""
    for position, entry in enumerate(states):
        word = tree.take(entry)
        if position >= inventory:
            words[word] += 1
            assert entry["portal_modified_date"] >= last
            last = entry["portal_modified_date"]
            assert entry["file_timestamp"] <= entry["portal_modified_date"]
        else:
            assert datetime.fromisoformat(entry["portal_modified_date"]) <= source.start
    assert abs(len(states) - events) <= max(60, events // 20)
    assert source.start <= datetime.fromisoformat(last) < source.end
    if name != "tiny":
        assert set(words) == {"created", "written", "renamed", "moved", "deleted", "restored", "shared"}
        assert words["written"] > words["created"] > words["deleted"]


def test_a_source_by_its_protocol():
    """The source is what the Portal asks for; its identity holds all that decides the content."""
    source = ScenarioSource("tiny", seed=7)
    assert isinstance(source, Source)
    assert (source.name, source.inventory) == ("scenario:tiny", "start")
    identities = {
        ScenarioSource(name, seed=seed, events=events, until=until).identity
        for name, seed, events, until in itertools.product(
            ("tiny", "quiet"), (0, 1), (400, 500), (None, datetime(2025, 1, 1, tzinfo=UTC))
        )
    }
    assert len(identities) == 16
    assert ScenarioSource("tiny", until="now").identity is None


def test_the_same_seed_tells_the_same():
    """Two runs give the same bytes, another seed gives others."""
    logs = []
    for seed in (5, 5, 6):
        world, _, _ = told(ScenarioSource("office", events=3000, seed=seed))
        logs.append(b"\n".join(world.feed.log()))
    assert logs[0] == logs[1] != logs[2]


def test_the_scenario_is_the_same_in_every_process():
    """Nothing hangs on the order of hashes: cursors of one process are good in the next."""
    program = (
        "import sys, zlib\n"
        "from ctera_insights.simulator import Feed, World\n"
        "from ctera_insights.simulator.sources.scenario import ScenarioSource\n"
        "source, world = ScenarioSource('office', events=2000), World(Feed(), portal_uuid='u')\n"
        "source.populate(world)\n"
        "list(source.history(world))\n"
        "print(zlib.crc32(b' '.join(world.feed.log())))\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_it_ends_where_it_is_told_to():
    """A scenario until now ends now; by default it ends at a fixed day."""
    now = datetime.now(UTC)
    source = ScenarioSource("tiny", until="now")
    assert abs(source.end - now) < timedelta(hours=1)
    assert ScenarioSource("tiny").end == datetime(2026, 6, 30, tzinfo=UTC)


def test_people_work_by_day():
    """Most is done in working hours on working days, in the time of each company."""
    _, states, inventory = told(ScenarioSource("quiet", events=8000))
    offsets = {"5": 1, "7": -5, "9": 8}
    office = 0
    for entry in states[inventory:]:
        local = datetime.fromisoformat(entry["portal_modified_date"]) + timedelta(
            hours=offsets[entry["virtual_portal_id"]]
        )
        office += local.weekday() < 5 and 7 <= local.hour < 19
    assert office > 0.85 * (len(states) - inventory)


def test_three_tenants_and_their_cloud_folders():
    """Cloud folders belong to three tenants, and the Portal's administration knows their owners."""
    world, states, _ = told(ScenarioSource("office", events=1000))
    assert {folder.tenant for folder in world.cloud_folders.values()} == {"5", "7", "9"}
    assert len(world.roots) == 9
    assert {entry["folder_id"] for entry in states} == set(world.cloud_folders)


@pytest.fixture(scope="module")
def office() -> tuple[ScenarioSource, list[dict[str, Any]]]:
    source = ScenarioSource("office", events=20_000, seed=1)
    return source, told(source)[1]


def during(states: list[dict[str, Any]], incident: Any) -> list[dict[str, Any]]:
    return [
        entry
        for entry in states
        if entry["folder_id"] in incident.folder_ids
        and incident.start <= datetime.fromisoformat(entry["portal_modified_date"]) <= incident.end
    ]


def test_incidents_happen_as_they_are_listed(office: tuple[ScenarioSource, list[dict[str, Any]]]):
    """Each incident's states are in the feed, in its folders and its time, and hardly anything else is."""
    source, states = office
    assert [incident.kind for incident in source.incidents] == [
        "mass-deletion",
        "mass-rename",
        "permission-opening",
        "ransomware",
        "growth",
        "restore",
        "restore",
    ]
    for incident in source.incidents:
        assert source.start < incident.start < incident.end < source.end
        assert incident.count >= 50
        found = len(during(states, incident))
        assert incident.count <= found <= incident.count * 1.3 + 30


def test_ransomware_writes_and_renames(office: tuple[ScenarioSource, list[dict[str, Any]]]):
    """Files in two cloud folders are written hardly larger, get one new extension, and are restored later."""
    source, states = office
    attack = next(incident for incident in source.incidents if incident.kind == "ransomware")
    assert len(attack.cloud_folders) == 2
    assert attack.end - attack.start < timedelta(minutes=40)
    latest: dict[str, dict[str, Any]] = {}
    growth, folders = [], set()
    for entry in states:
        before = latest.get(entry["guid"])
        latest[entry["guid"]] = entry
        if entry["name"].endswith(".locked") and before and not before["name"].endswith(".locked"):
            assert entry["name"] == before["name"] + ".locked"
            folders.add(entry["parent_guid"])
            growth.append(entry["size"] - before["size"])
    assert len(growth) > 100
    assert len(folders) > 20
    assert set(growth) == {0}
    assert not [
        entry for entry in latest.values() if entry["name"].endswith(".locked") and not entry["deleted"]
    ]


def test_a_permission_opening_lets_everyone_in(office: tuple[ScenarioSource, list[dict[str, Any]]]):
    """Everyone (WD) appears in the descriptors of one project, and nowhere before."""
    source, states = office
    opening = next(incident for incident in source.incidents if incident.kind == "permission-opening")
    first = next(entry for entry in states if ";;;WD)" in entry.get("acl", ""))
    assert datetime.fromisoformat(first["portal_modified_date"]) == opening.start
    assert {entry["folder_id"] for entry in states if ";;;WD)" in entry.get("acl", "")} == set(
        opening.folder_ids
    )


def test_a_quiet_scenario_has_no_incidents():
    """Nothing is planted, and no ten minutes see more than a handful of deletions in one cloud folder."""
    source = ScenarioSource("quiet", events=8000)
    _, states, inventory = told(source)
    assert source.incidents == []
    deletions: Counter[tuple[int, str]] = Counter(
        (entry["folder_id"], entry["portal_modified_date"][:15])
        for entry in states[inventory:]
        if entry["deleted"] and entry["type"] == "file"
    )
    assert sum(1 for found in deletions.values() if found > 20) <= 6


def test_content_has_the_size_that_is_told():
    """A file's bytes are as many as its size, compress like documents, and change with each write only."""
    source = ScenarioSource("tiny")
    world = World(Feed(), portal_uuid=UUID)
    source.populate(world)
    files = [entry for raw in world.feed.log() if (entry := msgspec.json.decode(raw))["type"] == "file"]
    entry = min(files, key=lambda entry: abs(entry["size"] - 300_000))
    content = source.content(entry["id"])
    assert content is not None
    assert len(content) == entry["size"]
    assert content == source.content(entry["id"])
    assert 0.1 < len(zlib.compress(content[:60_000])) / 60_000 < 0.6
    assert source.content(10**9) is None
    other = next(each for each in files if each["id"] != entry["id"])
    assert source.content(other["id"]) != content


def test_a_scenario_is_told_as_far_as_asked(monkeypatch: pytest.MonkeyPatch):
    """A scenario of fifty million states starts at once, tells as much as asked, and keeps none of it."""
    monkeypatch.setattr("ctera_insights.simulator.sources.scenario.source._MOST_FILES", 2000)
    source = ScenarioSource("office", events=50_000_000)
    world = World(Feed())
    source.populate(world)
    assert len(world.feed) < 3000
    history = source.history(world)
    for _ in itertools.islice(history, 100):
        pass
    first = len(world.feed)
    tracemalloc.start()
    for _ in itertools.islice(history, 300):
        pass
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 3000 < first < len(world.feed) < 100_000
    assert grown < 40 * (len(world.feed) - first) + world.feed.size_bytes


def test_files_do_not_pile_up(monkeypatch: pytest.MonkeyPatch):
    """Beyond some number of files as many are deleted as made."""
    monkeypatch.setattr("ctera_insights.simulator.sources.scenario.source._MOST_FILES", 1000)
    _, states, _ = told(ScenarioSource("quiet", events=40_000 * SCALE))
    assert len(states) > 39_000
    live = {entry["guid"]: not entry["deleted"] for entry in states if entry["type"] == "file"}
    assert 500 < sum(live.values()) < 2000


def test_what_cannot_be_told_says_what_can():
    """An unknown name lists the known ones; too few events are refused."""
    with pytest.raises(UsageError, match="office, quiet"):
        ScenarioSource("offcie")
    with pytest.raises(UsageError, match="200 or more"):
        ScenarioSource("office", events=10)
