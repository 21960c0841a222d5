"""The lake on a real S3 API, moto's server in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctera_insights.errors import StoreFenced, UsageError
from ctera_insights.insights.views import connect
from ctera_insights.lake import FeedWriter, Lake, Rejected, maintain
from tests.lake.conftest import FEED, fill, page
from tests.object_store.store import object_store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    with object_store() as settings:
        yield settings


def test_a_lake_in_a_bucket_holds_what_one_on_a_disk_does(options: dict[str, str]) -> None:
    """Commit, restart, fence, merge, check and SQL over s3://."""
    lake = Lake("s3://insights/lake", options)
    fill(lake, 9)
    with FeedWriter(Lake(lake.uri, options), FEED) as writer:
        assert (writer.position.cursor, writer.position.batch) == ("c9", 9)
        other = FeedWriter(Lake(lake.uri, options), FEED)
        other.__enter__()
        writer.commit([page(["a"])], [Rejected(0, "bad", b"x")], cursor="c10", caught_up=True)
        with pytest.raises(StoreFenced):
            other.commit([page(["a"])], [], cursor="c10", caught_up=True)
    assert lake.check() == []
    assert maintain(lake.events, everything=True).into == 1
    assert lake.check() == []
    with connect(Lake(lake.uri, options)) as connection:
        assert connection.sql("SELECT count(*), max(seq) FROM events").fetchall() == [(28, 28)]
        assert connection.sql("SELECT count(*) FROM batches").fetchall() == [(10,)]
        assert connection.sql("SELECT raw FROM quarantine").fetchall() == [(b"x",)]


def test_credentials_do_not_show(options: dict[str, str]) -> None:
    lake = Lake("s3://insights/lake", options)
    assert "very-secret-key" not in repr(lake) + repr(lake.place) + repr(lake.events)


@pytest.mark.parametrize("url", ["s3://", "s3:///folder", "gs://bucket/x", "abfs://c@a/x", "ftp://host/x"])
def test_a_url_without_a_bucket_is_a_mistake_of_writing_not_a_damaged_store(url: str) -> None:
    with pytest.raises(UsageError, match=r"bucket|cannot live"):
        Lake(url)
