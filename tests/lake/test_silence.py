"""An object store that does not answer says nothing about its files: it is never taken for damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctera_insights import Insights
from ctera_insights.activity import check_derived, enrich_lake_plain, repair
from ctera_insights.activity.fit import misfits
from ctera_insights.activity.store import connection, tables
from ctera_insights.errors import QueryFailed, StoreDamaged, StoreRefused, StoreUnreachable
from ctera_insights.lake import FeedWriter, Lake, Origin, admit, maintain
from ctera_insights.lake.feeds import origins, overlaps
from ctera_insights.lake.position import _from_rows
from tests.lake.conftest import FEED, fill
from tests.lake.test_lost_answers import bucket, options, require_whole, way
from tests.object_store.proxy import Proxy, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bucket", "options", "way"]  # fixtures
ORIGIN = Origin.of("https://portal.example", "admin")


def begin(lake: Lake) -> None:
    with FeedWriter(lake, FEED):
        pass


def judge(lake: Lake) -> None:
    with connection() as con:
        assert misfits(con, lake, tables(lake), FEED, []) == []


OF_FILES: dict[str, Callable[[Lake], object]] = {
    "the origins of feeds": origins,
    "a feed that begins": lambda lake: admit(lake, FEED, ORIGIN),
    "the cursor, from the last events": lambda lake: _from_rows(lake, FEED, 3),
    "the whole check": Lake.check,
    "the check of what is derived": check_derived,
    "whether derived tables stand on the batches": judge,
    "merging": lambda lake: maintain(lake.events, everything=True),
}
OF_LISTINGS: dict[str, Callable[[Lake], object]] = {
    "a writer that begins": begin,
    "a batch": lambda lake: fill(lake, 1),
    "a feed that begins": lambda lake: admit(lake, FEED, ORIGIN),
    "overlaps": overlaps,
    "the status": Lake.status,
    "the whole check": Lake.check,
    "the check of what is derived": check_derived,
    "a repair": repair,
    "deriving": enrich_lake_plain,
    "merging": lambda lake: maintain(lake.events, everything=True),
}


@pytest.mark.parametrize(
    ("read", "path", "how"),
    [
        *(pytest.param(read, r"\.parquet$", "503", id=f"files-{name}") for name, read in OF_FILES.items()),
        *(
            pytest.param(read, "list-type=2", "hang up", id=f"listings-{name}")
            for name, read in OF_LISTINGS.items()
        ),
    ],
)
def test_a_store_that_cannot_be_read_now_is_not_taken_for_damaged(
    bucket: Lake, way: Proxy, read: Callable[[Lake], object], path: str, how: str
) -> None:
    """The error may pass, gives no advice to remove or rebuild anything, and shows no library's frames."""
    fill(bucket, 3)
    admit(bucket, FEED, ORIGIN)
    enrich_lake_plain(bucket)
    fresh = Lake(bucket.uri, bucket.place.options)
    way.make(*(Trouble(path, how, method, times=10_000) for method in ("GET", "HEAD")))
    with pytest.raises(StoreUnreachable) as refused:
        read(fresh)
    said = str(refused.value)
    assert refused.value.transient
    assert not isinstance(refused.value, StoreDamaged)
    assert "\x1b" not in said
    assert "rebuild" not in said
    assert "removed" not in said
    way.make()
    read(Lake(bucket.uri, bucket.place.options))
    require_whole(bucket)


@pytest.mark.parametrize(
    "query", ["SELECT error('403 Forbidden')", "SELECT CAST('operation timed out' AS INTEGER)"]
)
def test_what_a_query_says_is_not_taken_for_the_stores_word(bucket: Lake, query: str) -> None:
    """A value that happens to read like an answer of a store."""
    fill(bucket, 1)
    with Insights(bucket) as insights, pytest.raises(QueryFailed):
        insights.sql(query).df()


def ask(lake: Lake) -> None:
    with Insights(lake) as insights:
        insights.sql("SELECT max(guid) FROM events").df()


@pytest.mark.parametrize("read", [*OF_FILES.values(), ask], ids=[*OF_FILES, "a query"])
def test_a_store_that_refuses_is_not_taken_for_damaged(
    bucket: Lake, way: Proxy, read: Callable[[Lake], object]
) -> None:
    """A token that has expired, say: what to look at is the credentials."""
    fill(bucket, 3)
    admit(bucket, FEED, ORIGIN)
    enrich_lake_plain(bucket)
    way.make(*(Trouble(r"\.parquet$", "403", method, times=10_000) for method in ("GET", "HEAD")))
    with pytest.raises(StoreRefused, match="AWS_ACCESS_KEY_ID"):
        read(Lake(bucket.uri, bucket.place.options))
    way.make()
    require_whole(bucket)
