"""The order of changes where the Portal's version stamps do not tell it, and what counts as stale."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctera_insights.activity import enrich_lake_plain
from ctera_insights.lake import Lake
from tests.activity.world import commit, rows

ROOT = {"type": "folder", "guid": "u:1", "folder_id": 16, "deleted": False, "name": "Projects"}


def file(name: str, second: int | None, **more: Any) -> dict[str, Any]:
    state = {"type": "file", "guid": "u:2", "folder_id": 16, "deleted": False, "name": name, "size": 1}
    if second is not None:
        state["portal_modified_date"] = f"2026-03-01T00:00:{second:02}Z"
    return {**state, "parent_guid": "u:1", **more}


def told(lake: Lake) -> list[tuple[int, str, str, str | None]]:
    found = rows(lake, "SELECT seq, op, path, old_path FROM activity WHERE type = 'file' ORDER BY seq")
    return [tuple(row.values()) for row in found]


def now(lake: Lake) -> list[str]:
    return [row["path"] for row in rows(lake, "SELECT path FROM objects WHERE type = 'file'")]


def test_the_portals_time_puts_a_page_in_order(tmp_path: Path) -> None:
    """Without version stamps; states without a time stay behind the one served before."""
    lake = Lake(tmp_path)
    commit(lake, [file("c", 9), ROOT, file("a", 1), file("b", None)])
    enrich_lake_plain(lake)
    assert told(lake) == [
        (1, "renamed", "Projects/c", "Projects/b"),
        (3, "created", "Projects/a", None),
        (4, "renamed", "Projects/b", "Projects/a"),
    ]
    assert now(lake) == ["Projects/c"]


def test_an_older_state_in_a_later_page_changes_nothing(tmp_path: Path) -> None:
    """By time where stamps are of different replicas, by stamp where they are of one."""
    lake = Lake(tmp_path)
    commit(lake, [ROOT, file("b", 5, gvsn="x:7")])
    commit(lake, [file("a", 4, gvsn="y:9")])  # older by its time
    commit(lake, [file("c", 6, gvsn="y:9")])  # newer
    commit(lake, [file("d", 7, gvsn="y:8")])  # another replica came between: the time counts
    enrich_lake_plain(lake)
    assert [row[1] for row in told(lake)] == ["created", "unchanged", "renamed", "renamed"]
    assert now(lake) == ["Projects/d"]
    other = Lake(tmp_path / "other")
    commit(other, [ROOT, file("b", 5, gvsn="x:7")])
    commit(other, [file("a", 6, gvsn="x:6")])  # the Portal's clock is no argument against its own stamps
    enrich_lake_plain(other)
    assert [row[1] for row in told(other)] == ["created", "unchanged"]
    assert now(other) == ["Projects/b"]


def test_a_clock_that_was_set_back_loses_nothing_where_stamps_tell(tmp_path: Path) -> None:
    """The stamps count, and the tables say what happened last."""
    lake = Lake(tmp_path)
    commit(lake, [ROOT, file("a", 50, gvsn="x:1")])
    commit(lake, [file("b", 10, gvsn="x:2")])
    enrich_lake_plain(lake)
    assert now(lake) == ["Projects/b"]


def test_the_same_state_again_is_no_change_and_revives_nothing(tmp_path: Path) -> None:
    """Even when its folder has gone meanwhile."""
    lake = Lake(tmp_path)
    docs = {**ROOT, "guid": "u:3", "name": "docs", "parent_guid": "u:1"}
    state = file("a", 5, parent_guid="u:3")
    commit(lake, [ROOT, docs, state])
    commit(lake, [{**docs, "deleted": True}])
    commit(lake, [state, state])
    enrich_lake_plain(lake)
    assert [row[1] for row in told(lake)] == ["created", "unchanged", "unchanged"]
    deleted = {row["path"]: row["deleted"] for row in rows(lake, "FROM objects")}
    assert deleted == {"Projects": False, "Projects/docs": True, "Projects/docs/a": True}


def test_several_changes_told_as_one_have_one_operation_and_all_amounts(tmp_path: Path) -> None:
    """Moved comes before renamed, modified and acl_changed; the deltas tell of the rest."""
    lake = Lake(tmp_path)
    docs = {**ROOT, "guid": "u:3", "name": "docs", "parent_guid": "u:1"}
    commit(lake, [ROOT, docs, file("a", 1, acl="D:(A;;FR;;;BU)")])
    commit(lake, [file("b.pdf", 2, parent_guid="u:3", size=11, acl="D:(A;;FR;;;WD)")])
    enrich_lake_plain(lake)
    last = rows(lake, "SELECT * EXCLUDE (collected_at) FROM activity ORDER BY seq DESC LIMIT 1")[0]
    assert (last["op"], last["path"], last["old_path"]) == ("moved", "Projects/docs/b.pdf", "Projects/a")
    assert (last["size"], last["size_delta"], last["acl_changed"]) == (11, 10, True)
    assert (last["acl"], last["old_acl"]) == ("D:(A;;FR;;;WD)", "D:(A;;FR;;;BU)")
    assert (last["extension"], last["depth"], last["cloud_folder"]) == ("pdf", 2, "Projects")


def shared(folder_id: int, n: int, second: int | None, version: int | None, **more: Any) -> dict[str, Any]:
    stamp = {} if version is None else {"gvsn": f"x{folder_id}:{version}"}
    return {**file(f"n{n}", second, **stamp), "folder_id": folder_id, "guid": f"u:{n % 3}", "size": n, **more}


changes = st.tuples(
    st.sampled_from([16, 17, 18]),
    st.integers(0, 8),
    st.none() | st.integers(0, 9),
    st.none() | st.integers(1, 9),
    st.booleans(),
)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(changes, max_size=8), min_size=1, max_size=3))
@example([[(16, 0, 5, 1, False), (17, 0, 9, None, False), (16, 3, 1, 2, False), (17, 3, 1, None, False)]])
def test_what_a_cloud_folder_tells_does_not_depend_on_what_shares_its_batches(
    told_batches: list[list[tuple[int, int, int | None, int | None, bool]]],
) -> None:
    """With stamps, times or neither, one feed of several says of each what a feed of its own would."""
    batches = [[shared(f, n, s, v, deleted=d) for f, n, s, v, d in batch] for batch in told_batches]

    def judged(lake: Lake, folder_id: int) -> list[dict[str, Any]]:
        mine = f"WHERE folder_id = {folder_id} ORDER BY"
        changes = "SELECT guid, name, op, size, size_delta, path, old_path, deleted FROM activity"
        states = "SELECT guid, name, size, deleted, path FROM objects"
        return [*rows(lake, f"{changes} {mine} seq"), *rows(lake, f"{states} {mine} guid")]

    with tempfile.TemporaryDirectory() as home:
        together = Lake(Path(home) / "together")
        for batch in batches:
            commit(together, batch)
        enrich_lake_plain(together)
        for folder_id in (16, 17, 18):
            alone = Lake(Path(home) / str(folder_id))
            for batch in batches:
                commit(alone, [entry for entry in batch if entry["folder_id"] == folder_id])
            enrich_lake_plain(alone)
            assert judged(together, folder_id) == judged(alone, folder_id)
