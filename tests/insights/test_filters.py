"""Filters: one vocabulary, bound parameters, clear refusals."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctera_insights.errors import InsightsError, QueryFailed, UsageError
from ctera_insights.insights import Filters, Insights, analyses
from ctera_insights.insights.filters import FilterArgs, moment

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("filters", "keep"),
    [
        ({"cloud_folder": 'O\'Neill "Archive"'}, lambda c: c.folder_id == 77),
        ({"cloud_folder": ["Projects", "Marketing 📣"]}, lambda c: c.folder_id != 77),
        ({"type": "folder"}, lambda c: c.type == "folder"),
        ({"extension": [".PDF", "docx"]}, lambda c: c.extension.isin(["pdf", "docx"])),
        ({"extension": ""}, lambda c: c.extension == ""),
        ({"op": ["deleted", "restored"]}, lambda c: c.op.isin(["deleted", "restored"])),
        ({"since": "2026-03-20"}, lambda c: c["at"] >= "2026-03-20T00:00Z"),
        ({"until": date(2026, 3, 20)}, lambda c: c["at"] < "2026-03-20T00:00Z"),
        (
            {"since": pd.Timestamp("2026-03-10", tz="Asia/Tokyo"), "op": "created"},
            lambda c: (c["at"] >= "2026-03-09T15:00Z") & (c.op == "created"),
        ),
        (
            {"path": "/Projects/Team 1/"},
            lambda c: (
                c.path.str.match("Projects/Team 1(/|$)") | c.old_path.str.match("Projects/Team 1/").eq(True)
            ),
        ),
        ({"path": "Projects/Team 1", "until": "2026-01-01"}, lambda c: c.seq < 0),
    ],
)
def test_each_filter_narrows_changes_as_a_pandas_mask_does(
    insights: Insights, world: Any, filters: dict[str, Any], keep: Callable[[Any], Any]
):
    got = insights.changes(**filters).df()
    expected = world.changes[keep(world.changes)]
    assert list(got.seq) == list(expected.seq)
    assert insights.operations(**filters).df().events.sum() == len(expected)


@pytest.mark.parametrize("name", [n for n in analyses() if n not in {"feed_health", "path_history"}])
def test_every_analysis_takes_every_filter(insights: Insights, name: str):
    result = getattr(insights, name)(
        since="2026-03-05", until="2026-04-20", cloud_folder="Projects", path="Projects/Team 2",
        type="file", extension=["pdf", "png"], op=["created", "modified", "deleted"],
    )  # fmt: skip
    assert result.arrow().column_names == list(analyses()[name].columns)
    assert "below Projects/Team 2" in result.note


@given(text=TEXT)
@settings(max_examples=60, deadline=None)
def test_any_text_is_a_value_and_never_sql(insights: Insights, text: str):
    for filters in ({"path": text}, {"cloud_folder": text}, {"extension": text}, {"type": text}):
        with suppress(UsageError):  # it is no name of this store
            insights.operations(**filters).arrow()
        predicate, values = Filters.of(**filters).predicate("activity")
        if text.strip(" /."):  # else it may mean that there is no such filter
            (filtered,) = filters
            assert predicate == Filters.of(**{filtered: "something else"}).predicate("activity")[0]
            assert values


def test_classic_injections_find_nothing_and_harm_nothing(insights: Insights):
    for text in ("'; DROP TABLE activity; --", "x' OR '1'='1", "$since", "Projects') OR (TRUE"):
        for filters in ({"cloud_folder": text}, {"path": text}):
            with pytest.raises(UsageError, match="in this store"):
                insights.changes(**filters)
    assert len(insights.changes()) > 0


def test_times_are_read_in_the_zone_that_was_asked_for():
    assert moment("2026-07-01T12:00", "Europe/Berlin") == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert moment("2026-07-01T12:00+05:30") == datetime(2026, 7, 1, 6, 30, tzinfo=UTC)
    for ago, delta in (("36h", timedelta(hours=36)), ("7d", timedelta(days=7)), (timedelta(hours=2),) * 2):
        assert abs(datetime.now(UTC) - delta - moment(ago)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "filters",
    [
        {"op": "removed"},
        {"since": "yesterday"},
        {"since": "99999999999d"},
        {"since": timedelta(days=999_999)},
        {"since": "0001-01-01T00:00+01:00"},
        {"since": "2026-05-01", "until": "2026-04-01"},
        {"path": 7},
        {"cloud_folder": [None]},
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(filters: dict[str, Any]):
    with pytest.raises(UsageError):
        Filters.of(**filters)


ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.binary(),
    st.lists(st.integers(), max_size=2),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.sampled_from(
        [
            UTC,
            ZoneInfo("Asia/Tokyo"),
            object(),
            pd.NaT,
            pd.NA,
            pd.Timedelta(days=1),
            np.int64(3),
            np.float64("nan"),
            np.datetime64("NaT"),
            np.datetime64("2026-03-01"),
            np.timedelta64(3, "D"),
            np.array([1, 2]),
            ("x",),
            {"a": 1},
        ]
    ),
)


@settings(max_examples=60, deadline=None)
@given(ANY_VALUE)
def test_a_value_of_any_type_is_taken_or_refused_and_nothing_else(insights: Insights, value: Any):
    """Whatever a notebook or papermill hands over: an answer, or an error of ours that says what to write."""
    asks = [
        *(lambda name=name: insights.filters(**{name: value}) for name in FilterArgs.__annotations__),
        lambda: insights.activity_over_time(tz=value, every=value, by=value),
        lambda: insights.hot_folders(level=value, limit=value),
        lambda: insights.temperature(hot_days=value, as_of=value),
        lambda: insights.path_history(value),
        lambda: insights.sql("SELECT 1", value),
        lambda: insights.sql("SELECT $x", {"x": value}),
        lambda: insights.sql(value),
        lambda: insights.ask("hot_files", value),
        lambda: Insights(insights.connection, tz=value),
    ]
    if not (isinstance(value, (int, float)) and 0 < value <= 8):  # the rules would run
        asks.append(lambda: insights.alerts(sensitivity=value))
    for ask in asks:
        with suppress(InsightsError):
            ask()


def test_numbers_and_times_of_numpy_are_as_good_as_pythons(insights: Insights):
    assert len(insights.hot_files(limit=np.int64(2)).df()) == 2
    assert moment(np.datetime64("2026-03-01T08:00")) == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert insights.sql("SELECT $n AS n", {"n": np.int64(2**53 + 1)}).fetchall() == [(2**53 + 1,)]


@pytest.mark.parametrize("name", ["cloud_folder", "path", "type", "extension", "op"])
def test_an_empty_list_is_not_taken_for_no_filter(insights: Insights, name: str):
    with pytest.raises(UsageError, match=f"{name} is an empty list"):
        insights.operations(**{name: []})


@pytest.mark.parametrize("tz", ["localtime", "Factory", "posixrules", "right/UTC", UTC, ZoneInfo("UTC"), 2])
def test_a_zone_is_a_name_that_means_the_same_everywhere(insights: Insights, tz: Any):
    with pytest.raises(UsageError, match="time zone"):
        insights.heatmap(tz=tz)


def test_wrong_parameters_are_refused(insights: Insights):
    with pytest.raises(UsageError, match="splits by"):
        insights.activity_over_time(by="path; DROP TABLE x")
    with pytest.raises(UsageError, match="no interval"):
        insights.activity_over_time(every="fortnight")
    with pytest.raises(UsageError, match="time zone"):
        insights.heatmap(tz="Mars/Olympus")
    with pytest.raises(UsageError, match="Europe/Berlin"):
        insights.heatmap(tz="europe/berlin")
    with pytest.raises(UsageError, match="time zone"):
        insights.heatmap(tz="Europe")
    with pytest.raises(UsageError, match="did you mean 'hot_folders'"):
        insights.ask("hot_fodlers")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda i: i.operations(cloud_folder="projects"), "did you mean 'Projects'"),
        (lambda i: i.operations(cloud_folder=["Projects", "Marketting"]), "did you mean 'Marketing"),
        (lambda i: i.operations(cloud_folder="Project"), "did you mean 'Projects'"),
        (lambda i: i.operations(path="Nowhere"), "path 'Nowhere'"),
        (lambda i: i.operations(path="Projects/team 1"), "did you mean 'Projects/Team 1'"),
        (
            lambda i: i.operations(path="Projects/Team 1/Anderung 0"),
            "did you mean 'Projects/Team 1/Änderung 0'",
        ),
        (lambda i: i.operations(path="Projects/Tea"), "path 'Projects/Tea'"),
        (lambda i: i.operations(type="File"), "did you mean 'file'"),
        (lambda i: i.operations(extension="dox"), "did you mean 'docx'"),
        (lambda i: i.operations(op="delete"), "did you mean 'deleted'"),
        (lambda i: i.path_history("Projects/Team 1/no such.pdf").df(), "Nothing in this store"),
        (lambda i: i.path_history(7), "a path"),
        (lambda i: i.operations(cloudfolder="Projects"), "did you mean 'cloud_folder'"),
        (lambda i: i.hot_folders(levle=2), "did you mean 'level'"),
        (lambda i: i.ask("hot_folders", {"levels": 2}), "did you mean 'level'"),
        (lambda i: i.changes(pth="x"), "did you mean 'path'"),
        (lambda i: i.alerts(sinse="1h"), "did you mean 'since'"),
        (lambda i: i.sql("SELECT 1", cloud_folder="projects"), "did you mean 'Projects'"),
        (lambda i: i.activity_over_time(by="cloudfolder"), "did you mean 'cloud_folder'"),
        (lambda i: i.hot_files(limit=0), "limit is a whole number from 1 on"),
        (lambda i: i.hot_folders(level="2"), "level is a whole number"),
        (lambda i: i.temperature(hot_days=float("nan")), "hot_days is a number"),
        (lambda i: i.largest_files(limit=2**70), "limit is a whole number"),
    ],
)
def test_a_name_that_never_was_is_told_with_what_may_have_been_meant(
    named: Insights, asked: Callable[[Insights], Any], said: str
):
    with pytest.raises(UsageError) as refused:
        asked(named)
    assert said in str(refused.value)


@pytest.fixture(scope="module")
def named(world: Any, connection_of: Callable[[Any], duckdb.DuckDBPyConnection]) -> Insights:
    """With the folders of the store, as a store has them."""
    connection = connection_of(world)
    connection.execute("CREATE VIEW folders AS FROM objects WHERE type <> 'file'")
    return Insights(connection)


def test_what_was_there_once_has_an_empty_answer_and_no_error(named: Insights, world: Any):
    moved = world.changes[world.changes.op == "moved"].iloc[0]
    assert len(named.changes(path=moved.old_path))
    assert named.changes(path=moved.old_path, until="2026-01-01").df().empty
    assert named.operations(cloud_folder="Projects", since="2099-01-01").df().empty
    assert len(named.path_history(moved.old_path))


def test_an_empty_store_knows_no_names_and_blames_none(
    world: Any, connection_of: Callable[[Any], duckdb.DuckDBPyConnection]
):
    connection = connection_of(world)
    connection.execute("DELETE FROM activity")
    assert Insights(connection).operations(cloud_folder="Finance", path="x/y").df().empty


def test_parameters_left_out_get_the_defaults_of_the_method(insights: Insights):
    for name in analyses():
        if name != "path_history":
            assert insights.ask(name).arrow() is not None
    assert len(insights.ask("hot_files", {"limit": 3})) == 3
    assert insights.ask("moves", {"level": 1}).parameters["level_or_null"] == 1


def test_the_width_of_a_timeline_follows_its_span(insights: Insights):
    assert insights.activity_over_time().options["every"] == "1 day"
    assert insights.activity_over_time(since="2026-03-10", until="2026-03-13").options["every"] == "1 hour"
    assert insights.activity_over_time(since="2099-01-01").df().empty


def test_own_sql_sees_scopes_filters_and_parameters(insights: Insights, world: Any):
    result = insights.sql(
        "SELECT cloud_folder, count(*) AS n FROM changes WHERE size > $least GROUP BY ALL ORDER BY n DESC",
        {"least": 1000},
        op="created",
    )
    expected = world.changes[(world.changes.op == "created") & (world.changes["size"] > 1000)]
    assert result.df().n.sum() == len(expected)
    assert insights.sql("SELECT count(*) AS n FROM activity", since="2099-01-01").df().n[0] == len(
        world.activity
    )


def test_a_wrong_query_says_what_duckdb_says(insights: Insights):
    with pytest.raises(QueryFailed, match="nowhere"):
        insights.sql("SELECT * FROM nowhere").df()
