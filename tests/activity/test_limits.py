"""What no column, path or loop can hold does not stop deriving."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from ctera_insights.activity import ancestors, enrich_lake_plain
from ctera_insights.activity import ask as asking
from ctera_insights.activity.tree import LONGEST_PATH
from ctera_insights.errors import (
    AncestorsNotFound,
    AnswerTooLarge,
    PortalBusy,
    PortalError,
    PortalRefused,
    UnreadableAnswer,
)
from ctera_insights.lake import Lake
from ctera_insights.model import Event
from tests.activity.world import commit, content, rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

LOW, HIGH = -(2**63), 2**63 - 1


def state(guid: str, name: str, parent: str | None, version: int = 1, **more: Any) -> dict[str, Any]:
    found = {
        "type": "folder",
        "guid": guid,
        "folder_id": 16,
        "deleted": False,
        "name": name,
        "gvsn": f"u:{version}",
        **more,
    }
    return found if parent is None else {**found, "parent_guid": parent}


def derived(lake: Lake) -> None:
    """Derive, and once more from the beginning."""
    enrich_lake_plain(lake)
    before = content(lake)
    enrich_lake_plain(lake, rebuild=True)
    assert content(lake) == before


@pytest.mark.parametrize(
    ("sizes", "deltas"),
    [
        ([0, HIGH, 0], [0, HIGH, -HIGH]),
        ([LOW, HIGH, LOW], [None, None, None]),
        ([-1, HIGH, -1], [-1, None, None]),
        ([1, LOW, -5], [1, None, HIGH - 4]),
    ],
)
def test_sizes_and_their_differences_may_leave_64_bits(
    tmp_path: Path, sizes: list[int], deltas: list[int | None]
) -> None:
    """A difference that no column holds is unknown; turned round it can be."""
    lake = Lake(tmp_path)
    for version, size in enumerate(sizes, 1):
        commit(lake, [state("f", "f", None, version, type="file", size=size)])
        enrich_lake_plain(lake)
    commit(lake, [state("f", "f", None, 9, type="file", deleted=True)])
    derived(lake)
    found = rows(lake, "SELECT size, size_delta, -size_delta AS turned FROM activity ORDER BY seq")
    assert [row["size"] for row in found] == [*sizes, sizes[-1]]
    assert [row["size_delta"] for row in found[:-1]] == deltas
    assert found[-1]["size_delta"] == (None if sizes[-1] == LOW else -sizes[-1])


def test_what_vanished_with_the_smallest_size_is_told(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit(lake, [state("f", "f", None, type="file", size=LOW), state("g", "g", None)])
    commit(lake, [state("g", "g", None)], restart=True)
    derived(lake)
    assert rows(lake, "SELECT op, size_delta FROM activity WHERE seq IS NULL") == [
        {"op": "deleted", "size_delta": None}
    ]


def test_ids_may_be_any_number(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit(lake, [state(f"g{n}", "x", None, folder_id=n, id=n) for n in (LOW, -2, 0, HIGH)])
    derived(lake)
    assert [row["id"] for row in rows(lake, "FROM objects ORDER BY id")] == [LOW, -2, 0, HIGH]


@pytest.mark.parametrize("name", ["", "/", "//", "a/b", "..", "\0", "\n", None])
def test_a_name_that_is_none_keeps_the_depth(tmp_path: Path, name: str | None) -> None:
    lake = Lake(tmp_path)
    commit(lake, [state("r", "Team", None), state("d", name, "r"), state("f", name, "d", type="file")])  # type: ignore[arg-type]
    derived(lake)
    shown = (name or "?").replace("/", "\N{DIVISION SLASH}")
    for view in ("objects", "activity"):
        found = {row["guid"]: (row["path"], row["depth"]) for row in rows(lake, f"FROM {view}")}
        assert found == {"r": ("Team", 0), "d": (f"Team/{shown}", 1), "f": (f"Team/{shown}/{shown}", 2)}


def test_times_at_the_ends_of_time_have_a_date_in_every_zone(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    ends = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]
    commit(
        lake,
        [state(f"g{n}", "x", None, portal_modified_date=at, file_timestamp=at) for n, at in enumerate(ends)],
    )
    derived(lake)
    assert {row["portal_modified_date"].year for row in rows(lake, "FROM objects")} == {1, 9999}
    for row in rows(lake, "FROM activity"):
        assert row["at"] == row["collected_at"]
    assert len(rows(lake, "SELECT \"at\" AT TIME ZONE 'America/Los_Angeles' FROM activity")) == 2


@pytest.mark.parametrize(("levels", "width"), [(3_000, 5), (1_200, 255)])
def test_a_deep_tree_has_paths(tmp_path: Path, levels: int, width: int) -> None:
    lake = Lake(tmp_path)
    names = [f"{n:0{width}}" for n in range(levels)]
    tree = [state(f"g{n}", name, f"g{n - 1}" if n else None) for n, name in enumerate(names)]
    commit(lake, [state("f", "f.txt", f"g{levels - 1}", type="file"), *reversed(tree)])
    enrich_lake_plain(lake)
    found = {row["guid"]: row["path"] for row in rows(lake, "SELECT guid, path FROM objects")}
    for n in (0, 10, 999):
        assert found[f"g{n}"] == "/".join(names[: n + 1])
    assert max(map(len, found.values())) <= LONGEST_PATH + len("/f.txt")
    if levels * (width + 1) < LONGEST_PATH:
        assert found["f"] == "/".join([*names, "f.txt"])
    else:
        assert found["f"].startswith("?deep/g")
        assert found["f"].endswith(f"/{names[-1]}/f.txt")
    assert [event.guid for event in ancestors(lake, (16, "f"))] == [*(f"g{n}" for n in range(levels)), "f"]
    # A change far down, and one at the top.
    commit(lake, [state(f"g{levels - 1}", "renamed", f"g{levels - 2}", 2)])
    commit(lake, [state("g0", "new", None, 3)])
    enrich_lake_plain(lake)
    (row,) = rows(lake, "SELECT path FROM objects WHERE guid = 'g10'")
    assert row["path"] == "/".join(["new", *names[1:11]])


def test_a_folder_name_of_megabytes_is_not_repeated_by_all_below(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit(
        lake,
        [state("r", "x" * 5_000_000, None), *(state(f"f{n}", "f", "r", type="file") for n in range(2000))],
    )
    enrich_lake_plain(lake)
    (row,) = rows(
        lake, "SELECT max(length(path)) AS longest, count(*) AS rows FROM objects WHERE type = 'file'"
    )
    assert row == {"longest": len("?deep/r/f"), "rows": 2000}


def test_a_way_up_that_goes_round_ends(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit(lake, [state("a", "a", "b"), state("b", "b", "a"), state("f", "f", "b", type="file")])
    derived(lake)
    assert {row["path"] for row in rows(lake, "FROM objects")} == {
        "?loop/a/a",
        "?loop/a/a/b",
        "?loop/a/a/b/f",
    }
    with pytest.raises(AncestorsNotFound):
        ancestors(lake, (16, "f"))


async def for_ever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


async def refused(error: PortalError) -> NoReturn:
    raise error


FAILURES = {
    "unreadable": lambda: refused(UnreadableAnswer("An ancestor has no guid.")),
    "too large": lambda: refused(AnswerTooLarge("The answer is too large.")),
    "not allowed": lambda: refused(PortalRefused("403 Forbidden", status=403)),
    "a fault of the Portal": lambda: refused(PortalBusy("500 Internal Server Error", status=500)),
    "retried for ever": for_ever,
}


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_one_object_over_which_the_portal_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: Callable[[], Awaitable[NoReturn]]
) -> None:
    """It is said, and asked for another time; nor do many of them keep the others from ever being asked."""
    monkeypatch.setattr(asking, "ONE_S", 0.2)
    lake = Lake(tmp_path)
    commit(lake, [state(f"f{n}", "f", f"d{n}", type="file") for n in range(40)])
    bad = {"d7"}

    async def ask(folder_id: int, guid: str) -> list[Event]:
        if guid in bad:
            await fail()
        return [Event(type="folder", guid=guid, name=guid, folder_id=folder_id)]

    summary = enrich_lake_plain(lake, ask)
    assert (summary.asked, summary.unknown) == (40, 1)
    assert summary.trouble

    commit(lake, [state(f"g{n}", "g", f"e{n}", type="file") for n in range(40)])
    bad = {f"e{n}" for n in range(20)}
    for _ in range(40):
        summary = enrich_lake_plain(lake, ask)
        if summary.unknown == 20:
            break
    assert summary.unknown == 20
