"""The lake on a real S3 API, moto's server in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import boto3
import pytest

from ctera_insights.errors import StoreFenced, UsageError
from ctera_insights.insights.views import connect
from ctera_insights.lake import FeedWriter, Lake, Rejected, maintain
from tests.lake.conftest import FEED, fill, page

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id="id",
            aws_secret_access_key="key",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="insights")
        client.close()
        yield {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "very-secret-key",
            "AWS_REGION": "us-east-1",
        }
    finally:
        server.terminate()
        server.wait()


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


@pytest.mark.parametrize("url", ["s3://", "s3:///folder", "gs://", "ftp://host/x"])
def test_a_url_without_a_bucket_is_a_mistake_of_writing_not_a_damaged_store(url: str) -> None:
    with pytest.raises(UsageError, match=r"bucket|cannot live"):
        Lake(url)
