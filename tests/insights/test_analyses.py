"""Every analysis gives what a straightforward pandas computation on the same rows gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest

from ctera_insights.insights import Insights, analyses

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

BERLIN = "Europe/Berlin"
AS_OF = datetime(2026, 5, 1, tzinfo=UTC)


def same(got: pd.DataFrame, expected: pd.DataFrame) -> None:
    """The same rows in the same order, whatever the exact types."""
    expected = expected[list(got.columns)].reset_index(drop=True)
    got = got.reset_index(drop=True)
    for column in got.columns:
        if pd.api.types.is_datetime64_any_dtype(got[column]):
            expected[column] = expected[column].astype(got[column].dtype)
    pdt.assert_frame_equal(got, expected, check_dtype=False, rtol=1e-9)


def gained(frame: pd.DataFrame) -> pd.Series:
    return frame.size_delta.clip(lower=0)


def lost(frame: pd.DataFrame) -> pd.Series:
    return (-frame.size_delta).clip(lower=0)


def parent_at(paths: pd.Series, level: int) -> pd.Series:
    parents = paths.str.split("/").str[:-1].str[:level].str.join("/")
    return parents.where(parents != "", paths)


@pytest.mark.parametrize("name", analyses())
def test_each_analysis_has_a_complete_header_and_gives_the_columns_it_states(insights: Insights, name: str):
    stated = analyses()[name]
    assert stated.question.endswith("?") or "." in stated.question
    assert stated.title
    assert all(stated.columns.values())
    assert all(stated.parameters.values())
    arguments = {"of_path": "Projects/Team 1"} if name == "path_history" else {}
    result = getattr(insights, name)(**arguments)
    assert result.arrow().column_names == list(stated.columns)
    assert stated.question in (getattr(Insights, name).__doc__ or "")


@pytest.mark.parametrize("by", ["op", "cloud_folder", "type", "extension"])
@pytest.mark.parametrize("tz", ["UTC", BERLIN, "Asia/Kathmandu"])
def test_activity_over_time(insights: Insights, world: Any, by: str, tz: str):
    frame = world.changes.assign(gain=gained(world.changes), loss=lost(world.changes))
    frame["time"] = frame["at"].dt.tz_convert(tz).dt.tz_localize(None).dt.floor("D")
    expected = (
        frame.groupby(["time", by], dropna=False)
        .agg(events=("seq", "size"), bytes_added=("gain", "sum"), bytes_removed=("loss", "sum"))
        .reset_index()
        .rename(columns={by: "series"})
        .sort_values(["time", "series"])
    )
    same(insights.activity_over_time(every="1 day", by=by, tz=tz).df(), expected)


def test_heatmap_counts_local_hours(insights: Insights, world: Any):
    local = world.changes["at"].dt.tz_convert("America/St_Johns")
    expected = (
        pd.DataFrame({"weekday": local.dt.day_of_week + 1, "hour": local.dt.hour})
        .groupby(["weekday", "hour"])
        .size()
        .reset_index(name="events")
    )
    got = insights.heatmap(tz="America/St_Johns").df()
    same(got[["weekday", "hour", "events"]], expected)
    weeks = np.ceil((local.max().floor("h") - local.min().floor("h")) / pd.Timedelta(weeks=1))
    assert np.allclose(got.events_per_hour, got.events / weeks)


def test_operations(insights: Insights, world: Any):
    frame = world.changes.assign(gain=gained(world.changes), loss=lost(world.changes))
    expected = (
        frame.groupby(["op", "type"])
        .agg(
            events=("seq", "size"),
            objects=("guid", "nunique"),
            bytes_added=("gain", "sum"),
            bytes_removed=("loss", "sum"),
            first_at=("at", "min"),
            last_at=("at", "max"),
        )
        .reset_index()
        .sort_values(["events", "op", "type"], ascending=[False, True, True])
    )
    same(insights.operations().df(), expected)


@pytest.mark.parametrize("level", [1, 2, 3, 9])
def test_hot_folders(insights: Insights, world: Any, level: int):
    frame = world.changes.assign(gain=gained(world.changes), loss=lost(world.changes))
    frame["folder"] = parent_at(frame.path, level)
    for column, ops in (
        ("created", ["created"]),
        ("modified", ["modified"]),
        ("renamed_or_moved", ["renamed", "moved"]),
        ("deleted", ["deleted"]),
    ):
        frame[column] = frame.op.isin(ops)
    expected = (
        frame.drop(columns="deleted")
        .assign(deleted=frame.op == "deleted")
        .groupby(["folder", "cloud_folder"])
        .agg(
            events=("seq", "size"),
            created=("created", "sum"),
            modified=("modified", "sum"),
            renamed_or_moved=("renamed_or_moved", "sum"),
            deleted=("deleted", "sum"),
            bytes_added=("gain", "sum"),
            bytes_removed=("loss", "sum"),
            last_at=("at", "max"),
        )
        .reset_index()
        .sort_values(["events", "folder"], ascending=[False, True])
        .head(15)
    )
    same(insights.hot_folders(level=level, limit=15).df(), expected)


def test_hot_folders_descends_below_the_path(insights: Insights, world: Any):
    got = insights.hot_folders(path="Projects/Team 1").df()
    assert {f"Projects/Team 1/Änderung {j}" for j in range(3)} | {"Projects/Team 1"} <= set(got.folder)
    inside = world.changes.path.str.startswith("Projects/Team 1/") | (
        world.changes.old_path.fillna("").str.startswith("Projects/Team 1/")
    )
    assert got.events.sum() == inside.sum()


def test_hot_files(insights: Insights, world: Any):
    frame = world.changes[world.changes.type == "file"]
    frame = frame.assign(gain=gained(frame), loss=lost(frame))
    expected = (
        frame.sort_values("seq")
        .groupby(["folder_id", "guid"])
        .agg(
            path=("path", "last"),
            cloud_folder=("cloud_folder", "last"),
            events=("seq", "size"),
            bytes_added=("gain", "sum"),
            bytes_removed=("loss", "sum"),
            size=("size", "last"),
            last_at=("at", "max"),
        )
        .reset_index()
        .sort_values(["events", "folder_id", "guid"], ascending=[False, True, True])
        .head(10)
    )
    same(insights.hot_files(limit=10).df(), expected)


@pytest.mark.parametrize("since", [None, datetime(2026, 3, 20, 7, tzinfo=UTC)])
def test_growth_totals_start_from_everything_before(insights: Insights, world: Any, since: datetime | None):
    all_rows = world.activity[world.activity.op != "unchanged"]
    is_file = all_rows.type == "file"
    added = is_file & all_rows.op.isin(["created", "restored"])
    all_rows = all_rows.assign(
        gain=gained(all_rows), loss=lost(all_rows), plus=added, minus=is_file & (all_rows.op == "deleted")
    )
    inside = (all_rows.phase == "live") & ((all_rows["at"] >= since) if since else True)
    before, window = all_rows[~inside], all_rows[inside]
    expected = (
        window.groupby(window["at"].dt.tz_convert(BERLIN).dt.tz_localize(None).dt.floor("D").rename("time"))
        .agg(bytes_added=("gain", "sum"), bytes_removed=("loss", "sum"),
             files_added=("plus", "sum"), files_removed=("minus", "sum"))
        .reset_index()
    )  # fmt: skip
    expected["net_bytes"] = expected.bytes_added - expected.bytes_removed
    expected["churn_bytes"] = expected.bytes_added + expected.bytes_removed
    expected["total_bytes"] = expected.net_bytes.cumsum() + before.size_delta.sum()
    expected["total_files"] = (
        (expected.files_added - expected.files_removed).cumsum() + before.plus.sum() - before.minus.sum()
    )
    got = insights.growth(every="1 day", tz=BERLIN, since=since).df()
    same(got, expected)
    assert got.total_bytes.iloc[-1] == world.files["size"].sum()
    assert got.total_files.iloc[-1] == len(world.files)


def test_fastest_growing_folders(insights: Insights, world: Any):
    frame = world.changes.assign(gain=gained(world.changes), loss=lost(world.changes))
    frame["folder"] = parent_at(frame.path, 2)
    is_file = frame.type == "file"
    frame["net"] = (is_file & frame.op.isin(["created", "restored"])).astype(int) - (
        is_file & (frame.op == "deleted")
    ).astype(int)
    days = (frame["at"].max() - frame["at"].min()) / pd.Timedelta(days=1)
    expected = (
        frame.groupby(["folder", "cloud_folder"])
        .agg(bytes_added=("gain", "sum"), bytes_removed=("loss", "sum"), net_files=("net", "sum"))
        .reset_index()
    )
    expected["net_bytes"] = expected.bytes_added - expected.bytes_removed
    expected["bytes_per_day"] = expected.net_bytes / days
    expected = expected.sort_values(["net_bytes", "folder"], ascending=[False, True])
    same(insights.fastest_growing_folders(level=2, limit=100).df(), expected)


def test_file_types(insights: Insights, world: Any):
    expected = (
        world.files.groupby("extension")["size"]
        .agg(files="size", bytes="sum", median_bytes="median")
        .reset_index()
        .sort_values(["bytes", "extension"], ascending=[False, True])
    )
    expected["share_of_files"] = expected.files / expected.files.sum()
    expected["share_of_bytes"] = expected.bytes / expected.bytes.sum()
    same(insights.file_types().df(), expected)


def test_file_type_drift(insights: Insights, world: Any):
    frame = world.changes[(world.changes.type == "file")]
    old_extension = frame.old_path.str.rsplit("/", n=1).str[-1].str.extract(r"\.([^.]*)$")[0].str.lower()
    retyped = (
        frame.op.isin(["renamed", "moved"]) & (old_extension != frame.extension) & (frame.extension != "")
    )
    frame = frame[frame.op.isin(["created", "restored"]) | retyped]
    ranks = frame.extension.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    frame = frame.assign(
        time=frame["at"].dt.tz_localize(None).dt.to_period("W").dt.start_time,
        extension=frame.extension.where(frame.extension.isin(ranks.index[:3]), "(other)"),
    )
    expected = frame.groupby(["time", "extension"]).size().reset_index(name="files")
    expected["share"] = expected.files / expected.groupby("time").files.transform("sum")
    same(insights.file_type_drift(every="1 week", limit=3).df(), expected)


def test_largest_files(insights: Insights, world: Any):
    expected = world.files.sort_values(["size", "folder_id", "guid"], ascending=[False, True, True]).head(7)
    expected = expected.assign(share=expected["size"] / world.files["size"].sum())
    same(insights.largest_files(limit=7).df(), expected)


def test_size_distribution(insights: Insights, world: Any):
    edges = [-1, 0, 999, *(10**k - 1 for k in range(4, 13)), 10**30]
    labels = [
        "empty", "under 1 kB", "1 to 10 kB", "10 to 100 kB", "100 kB to 1 MB", "1 to 10 MB", "10 to 100 MB",
        "100 MB to 1 GB", "1 to 10 GB", "10 to 100 GB", "100 GB to 1 TB", "1 TB and more",
    ]  # fmt: skip
    classes = pd.cut(world.files["size"].astype(float), edges, labels=labels)
    expected = (
        world.files.groupby(classes, observed=True)["size"]
        .agg(files="size", bytes="sum")
        .reset_index(names="size_class")
    )
    got = insights.size_distribution().df()
    assert list(got.size_class) == list(expected.size_class)
    assert list(got.files) == list(expected.files)
    assert list(got.bytes) == list(expected.bytes)
    assert got.share_of_bytes.sum() == pytest.approx(1)


def ages(world: Any) -> pd.Series:
    return (AS_OF - world.files.file_timestamp.fillna(world.files.portal_modified_date)) / timedelta(days=1)


def test_age_distribution(insights: Insights, world: Any):
    edges = [-np.inf, 1, 7, 30, 90, 365, 1096, np.inf]
    classes = pd.cut(ages(world), edges, right=False, labels=[0, 1, 7, 30, 90, 365, 1096])
    expected = world.files.groupby(classes, observed=True)["size"].agg(files="size", bytes="sum")
    got = insights.age_distribution(as_of=AS_OF).df()
    assert list(got.from_days) == list(expected.index)
    assert list(got.files) == list(expected.files)
    assert list(got.bytes) == list(expected.bytes)


def test_temperature(insights: Insights, world: Any):
    classes = pd.cut(ages(world), [-np.inf, 5, 60, np.inf], right=False, labels=["hot", "warm", "cold"])
    expected = (
        world.files.assign(temperature=classes.astype(str))
        .groupby(["cloud_folder", "temperature"])["size"]
        .agg(files="size", bytes="sum")
    )
    got = insights.temperature(hot_days=5, warm_days=60, as_of=AS_OF).df()
    assert (
        got.set_index(["cloud_folder", "temperature"])[["files", "bytes"]]
        .sort_index()
        .equals(expected.sort_index().astype("int64"))
    )
    assert got.groupby("cloud_folder").share_of_bytes.sum().to_numpy() == pytest.approx(np.ones(3))


def test_stale_folders(insights: Insights, world: Any):
    frame = world.files.assign(folder=parent_at(world.files.path, 2), stale=ages(world) > 200)
    frame["newest"] = frame.file_timestamp.fillna(frame.portal_modified_date)
    frame["stale_size"] = frame["size"].where(frame.stale, 0)
    expected = (
        frame.groupby(["folder", "cloud_folder"])
        .agg(
            files=("size", "size"),
            bytes=("size", "sum"),
            stale_files=("stale", "sum"),
            stale_bytes=("stale_size", "sum"),
            newest_at=("newest", "max"),
        )
        .reset_index()
    )
    expected["stale_share"] = (expected.stale_bytes / expected.bytes).astype(float).fillna(0)
    expected = expected.sort_values(["stale_bytes", "folder"], ascending=[False, True])
    same(insights.stale_folders(level=2, stale_days=200, as_of=AS_OF, limit=100).df(), expected)


def test_moves(insights: Insights, world: Any):
    frame = world.changes[world.changes.op.isin(["renamed", "moved"])].copy()
    frame["old_parent"], frame["parent"] = parent_at(frame.old_path, 99), parent_at(frame.path, 99)
    frame["from_folder"], frame["to_folder"] = parent_at(frame.old_path, 2), parent_at(frame.path, 2)
    frame["moves"], frame["renames"] = frame.old_parent != frame.parent, frame.old_parent == frame.parent
    expected = (
        frame.sort_values("seq")
        .groupby(["from_folder", "to_folder"])
        .agg(
            n=("seq", "size"),
            moves=("moves", "sum"),
            renames=("renames", "sum"),
            bytes=("size", "sum"),
            sample_path=("path", "last"),
            last_at=("at", "max"),
        )
        .reset_index()
        .sort_values(["n", "from_folder", "to_folder"], ascending=[False, True, True])
        .head(20)
    )
    same(insights.moves(level=2).df(), expected)


def test_duplicates(insights: Insights, world: Any):
    frame = world.files[world.files["size"] >= 1000]
    groups = frame.groupby(["name", "size"])
    expected = groups.agg(
        copies=("path", "size"),
        cloud_folders=("folder_id", "nunique"),
        sample_paths=("path", lambda p: sorted(p)[:5]),
    ).reset_index()
    expected = expected[expected.copies > 1]
    expected["wasted_bytes"] = (expected.copies - 1) * expected["size"]
    expected = expected.sort_values(["wasted_bytes", "name", "size"], ascending=[False, True, True]).head(20)
    got = insights.duplicates(min_bytes=1000).df()
    got["sample_paths"] = got.sample_paths.map(list)
    same(got, expected)


def test_restores_know_the_deletion_before(insights: Insights, world: Any):
    back = world.changes[world.changes.op == "restored"].sort_values("seq", ascending=False)
    gone = world.activity[world.activity.op == "deleted"]
    deleted_at = [
        gone[(gone.guid == row.guid) & (gone.seq < row.seq)]["at"].max() for row in back.itertuples()
    ]
    expected = back.assign(deleted_at=pd.Series(deleted_at, index=back.index))
    expected["gone_hours"] = (expected["at"] - expected.deleted_at) / pd.Timedelta(hours=1)
    same(insights.restores().df(), expected)


def test_permission_changes_say_who_gained_and_lost_what(insights: Insights, world: Any):
    got = insights.permission_changes().df()
    expected = world.changes[world.changes.acl_changed].sort_values("seq", ascending=False)
    same(got[["at", "path", "acl", "old_acl"]], expected)
    opened = got[got.opened_to.str.contains("Everyone")]
    assert len(opened) == (expected.acl.str.contains("WD") & ~expected.old_acl.str.contains("WD")).sum()
    assert set(opened.gained) == {"Everyone: read"}


def test_path_history_follows_an_object_through_its_names(insights: Insights, world: Any):
    moved = world.changes[(world.changes.op == "renamed")].iloc[0]
    got = insights.path_history(moved.old_path).df()
    expected = world.activity[(world.activity.guid == moved.guid) & (world.activity.op != "unchanged")]
    assert moved.path in set(got.path)
    assert list(got[got.guid == moved.guid]["at"]) == list(expected["at"])


def test_overview(insights: Insights, world: Any):
    row = insights.overview().df().iloc[0]
    assert row.files == len(world.files)
    assert row.bytes == world.files["size"].sum()
    assert row.changes == len(world.changes)
    assert row.bytes_added - row.bytes_removed == world.changes.size_delta.sum()
    assert row.last_at == world.changes["at"].max()


def test_feed_health_and_lag(insights: Insights, world: Any):
    row = insights.feed_health(as_of=AS_OF).df().iloc[0]
    live = world.events[world.events.phase == "live"]
    lag = (live.collected_at - live.portal_modified_date).dt.total_seconds()
    assert (row.events, row.live_events, row.batches) == (
        len(world.events),
        len(live),
        world.events.batch.nunique(),
    )
    assert (row.missing_batches, row.quarantined, row.epochs) == (0, 1, 1)
    assert row.median_lag_s == pytest.approx(lag.median())
    assert row.p95_lag_s == pytest.approx(lag.quantile(0.95))
    assert row.quiet_s == pytest.approx((AS_OF - world.events.collected_at.max()).total_seconds())
    lags = world.changes.assign(
        time=world.changes.collected_at.dt.tz_localize(None).dt.floor("D"),
        lag=(world.changes.collected_at - world.changes["at"]).dt.total_seconds(),
    )
    got = insights.feed_lag(every="1 day").df()
    assert list(got.events) == list(lags.groupby("time").size())
    assert got.p95_lag_s.to_numpy() == pytest.approx(lags.groupby("time").lag.quantile(0.95).to_numpy())


def test_a_feed_that_lost_a_batch_shows_the_gap(
    world: Any, connection_of: Callable[[Any], duckdb.DuckDBPyConnection]
):
    connection = connection_of(world)
    connection.execute("DELETE FROM events WHERE batch IN (3, 7)")
    assert Insights(connection).feed_health().df().missing_batches[0] == 2
