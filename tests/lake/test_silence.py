"""An object store that does not answer says nothing about its files: it is never taken for damage."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from ctera_insights import Insights
from ctera_insights.activity import check_derived, enrich_lake_plain
from ctera_insights.errors import StoreDamaged, StoreUnreachable
from ctera_insights.lake import FeedWriter, Lake, Origin, admit, maintain
from ctera_insights.lake.feeds import origins
from ctera_insights.lake.position import _from_rows
from tests.lake.conftest import FEED, fill
from tests.lake.proxy import Proxy, Trouble
from tests.lake.test_lost_answers import bucket, options, require_whole, way

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bucket", "options", "way"]  # fixtures
ORIGIN = Origin.of("https://portal.example", "admin")
READS: dict[str, Callable[[Lake], object]] = {
    "the origins of feeds": origins,
    "a feed that begins": lambda lake: admit(lake, FEED, ORIGIN),
    "the cursor, from the last events": lambda lake: _from_rows(lake, FEED, 3),
    "the whole check": Lake.check,
    "the check of what is derived": check_derived,
    "merging": lambda lake: maintain(lake.events, everything=True),
    "SQL": lambda lake: Insights(lake).sql("SELECT max(guid) FROM events").df(),
    "an analysis": lambda lake: Insights(lake).activity_over_time().df(),
}


@pytest.mark.parametrize("how", ["503", "hang up"])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_files_that_cannot_be_read_now_are_not_taken_for_damaged(
    bucket: Lake, way: Proxy, read: Callable[[Lake], object], how: str
) -> None:
    """The error may pass, gives no advice to remove or rebuild anything, and shows no library's frames."""
    fill(bucket, 3)
    admit(bucket, FEED, ORIGIN)
    enrich_lake_plain(bucket)
    fresh = Lake(bucket.uri, bucket.place.options)
    way.make(*(Trouble(r"\.parquet$", how, method, times=10_000) for method in ("GET", "HEAD")))
    with pytest.raises(StoreUnreachable) as refused:
        read(fresh)
    said = str(refused.value)
    assert refused.value.transient
    assert not isinstance(refused.value, StoreDamaged)
    assert "\x1b" not in said
    assert "rebuild" not in said
    assert "remove" not in said
    way.make()
    read(Lake(bucket.uri, bucket.place.options))
    require_whole(bucket)


@pytest.mark.parametrize("how", ["503", "hang up"])
def test_a_log_that_cannot_be_read_now_is_not_taken_for_damaged(bucket: Lake, way: Proxy, how: str) -> None:
    fill(bucket, 3)
    way.make(*(Trouble(r"_delta_log", how, method, times=10_000) for method in ("GET", "HEAD")))
    for read in (Lake.check, Lake.status, lambda lake: FeedWriter(lake, FEED).__enter__()):
        with pytest.raises(StoreUnreachable) as refused:
            read(Lake(bucket.uri, bucket.place.options))
        assert "\x1b" not in str(refused.value)
    way.make()
    with contextlib.closing(Insights(bucket)) as insights:
        assert insights.sql("SELECT count(*) AS n FROM events").df()["n"].tolist() == [9]
