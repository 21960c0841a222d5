"""Lag across clocks that do not agree: a Portal ahead shows below zero; one odd file tells nothing of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from ctera_insights.lake import FeedWriter, Lake
from ctera_insights.model import wire_schema

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)


def lag_of(path: Path, *ages: timedelta | None) -> float | None:
    """The lag after a live batch of changes of these ages, as a restart reads it."""
    lake = Lake(path)
    now = datetime.now(UTC)
    with FeedWriter(lake, "f") as writer:
        writer.commit([], [], cursor="c0", caught_up=True)
        rows = [
            {"guid": str(number), "portal_modified_date": None if age is None else now - age}
            for number, age in enumerate(ages)
        ]
        writer.commit([pa.Table.from_pylist(rows, wire_schema())], [], cursor="c1", caught_up=True)
    with FeedWriter(Lake(path), "f") as writer:
        return writer.position.lag_s


@pytest.mark.parametrize(
    ("ages", "hours"),
    [
        ([2 * HOUR, 1 * HOUR], 1),
        ([2 * HOUR, -5 * HOUR], -5),
        ([5 * HOUR], 5),
        ([1 * HOUR, -24 * 365 * 30 * HOUR, None], 1),
        ([-30 * HOUR, -48 * HOUR], -48),
    ],
)
def test_lag_is_that_of_the_newest_change(tmp_path: Path, ages: list[timedelta], hours: int) -> None:
    assert lag_of(tmp_path, *ages) == pytest.approx(hours * 3600, abs=60)


def test_changes_without_times_tell_no_lag(tmp_path: Path) -> None:
    assert lag_of(tmp_path, None, None) is None
