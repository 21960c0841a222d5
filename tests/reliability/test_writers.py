"""Several processes write one store at once: none takes anything from another."""

from __future__ import annotations

import time
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.reliability.world import SEED, Runner, content, findings, office, scaled, served, strays

if TYPE_CHECKING:
    from pathlib import Path

LOOK_ALIKE: Final = (
    "portal.acme-industries.example.com/admin",
    "portal.acme-industries.example.com/admin/1",
    "portal.acme-industries.example.com/admin/16",
    "portal.acme-industries.example.com/admin/16,17",
    "portal-acme-industries.example.com/admin/16",
)
"""Names of feeds that are easily taken for one another."""


@pytest.mark.parametrize("lead_s", [0.0, 0.3, 1.0])
def test_of_two_collectors_of_one_feed_one_waits_or_goes(
    runner: Runner, expected: dict[str, list[tuple[Any, ...]]], tmp_path: Path, lead_s: float
) -> None:
    """The other is told so, and each event is there once."""
    data = tmp_path / "lake"
    collect = ("collect", "--feed", "portal.example/admin", "--batch-rows", "1")
    first = runner.start(data, *collect)
    time.sleep(lead_s)
    second = runner.start(data, *collect)
    ended = [first.wait(), second.wait()]
    assert all(each.was_clear() for each in ended), ended
    assert {each.code for each in ended} <= {0, 5}
    assert runner.collect(data).code == 0
    assert content(data) == expected
    assert findings(data) == []
    assert strays(data) == []


@pytest.mark.timeout(1800 + scaled(1800))
def test_feeds_of_like_names_do_not_touch_one_another(
    runner: Runner, expected: dict[str, list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    """Collectors that start, are killed, and start again, beside compaction and derivation."""
    data = tmp_path / "lake"
    lots = Random(SEED)
    with ExitStack() as stack:
        portals = {name: stack.enter_context(served(office())) for name in LOOK_ALIKE}

        def collect(name: str) -> tuple[str, ...]:
            return ("collect", "--portal", portals[name], "--feed", name, "--batch-rows", "1")

        for _ in range(scaled(3)):
            commands = [runner.start(data, *collect(name)) for name in LOOK_ALIKE]
            commands += [runner.start(data, "optimize"), runner.start(data, "enrich")]
            for victim in lots.sample(commands, 3):
                time.sleep(lots.uniform(0, 1.5))
                victim.kill()
            ended = [command.wait() for command in commands]
            assert all(each.was_clear() for each in ended), [each.last for each in ended]
        for name in LOOK_ALIKE:
            ended_well = runner.run(data, *collect(name))
            assert ended_well.code == 0, ended_well.said
    found = content(data)
    for view, rows in expected.items():
        for name in LOOK_ALIKE:
            assert [row for row in found[view] if row[0] == name] == [(name, *row[1:]) for row in rows]
        assert len(found[view]) == len(rows) * len(LOOK_ALIKE)
    assert findings(data) == []
    assert strays(data) == []
