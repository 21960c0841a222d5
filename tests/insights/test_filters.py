"""Filters: one vocabulary, bound parameters, clear refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctera_insights.errors import QueryFailed, UsageError
from ctera_insights.insights import Filters, Insights, analyses
from ctera_insights.insights.filters import moment

if TYPE_CHECKING:
    from collections.abc import Callable

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
        ({"path": ["Projects/Tea", "Nowhere"]}, lambda c: c.seq < 0),
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
        result = insights.operations(**filters)
        if "\0" not in text:
            result.arrow()
        if text.strip(" /."):  # else it may mean that there is no such filter
            (filtered,) = filters
            assert result.sql == insights.operations(**{filtered: "something else"}).sql


def test_classic_injections_find_nothing_and_harm_nothing(insights: Insights):
    for text in ("'; DROP TABLE activity; --", "x' OR '1'='1", "$since", "Projects') OR (TRUE"):
        assert len(insights.changes(cloud_folder=text)) == 0
        assert len(insights.changes(path=text)) == 0
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
        {"since": "2026-05-01", "until": "2026-04-01"},
        {"path": 7},
        {"cloud_folder": [None]},
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(filters: dict[str, Any]):
    with pytest.raises(UsageError):
        Filters.of(**filters)


def test_wrong_parameters_are_refused(insights: Insights):
    with pytest.raises(UsageError, match="splits by"):
        insights.activity_over_time(by="path; DROP TABLE x")
    with pytest.raises(UsageError, match="no interval"):
        insights.activity_over_time(every="fortnight")
    with pytest.raises(UsageError, match="time zone"):
        insights.heatmap(tz="Mars/Olympus")
    with pytest.raises(UsageError, match="hot_folders"):
        insights.ask("hot_fodlers")


def test_the_width_of_a_timeline_follows_its_span(insights: Insights):
    assert insights.activity_over_time().options["every"] == "1 day"
    assert insights.activity_over_time(since="2026-03-10", until="2026-03-13").options["every"] == "1 hour"
    assert insights.activity_over_time(cloud_folder="no such").df().empty


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
