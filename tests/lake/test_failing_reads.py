"""Reads that fail leave nothing waiting: each query ends, and the one after them is answered."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lake.conftest import fill
from tests.lake.test_lost_answers import bucket, options, way

if TYPE_CHECKING:
    from ctera_insights.lake import Lake
    from tests.object_store.proxy import Proxy

__all__ = ["bucket", "options", "way"]  # fixtures
ROUNDS = 60
# A process of its own: one that hangs holds Python's lock, and can only be killed.
QUERIES = """
import json, sys
from ctera_insights.errors import StoreUnreachable
from ctera_insights.insights.views import connect
from ctera_insights.lake import Lake
from ctera_insights.lake.borders import reading
from tests.object_store.proxy import Proxy, Trouble

given = json.load(sys.stdin)
lake, way = Lake(given["uri"], given["options"]), Proxy(given["way"])
with connect(lake) as connection:
    for number in range(given["rounds"]):
        way.make(Trouble(r"\\.parquet$", given["how"], given["method"], times=10_000))
        try:
            with reading(lake.uri, lake):
                connection.sql("SELECT max(guid) FROM events").fetchall()
        except StoreUnreachable:
            print(number, "refused", flush=True)
        way.make()
        print(number, connection.sql("SELECT max(guid) FROM events").fetchall(), flush=True)
"""


@pytest.mark.parametrize("how", ["503", "hang up"])
@pytest.mark.parametrize("method", ["HEAD", "GET"], ids=["opening", "reading"])
def test_queries_that_fail_do_not_hang_and_the_next_is_answered(
    bucket: Lake, way: Proxy, how: str, method: str
) -> None:
    fill(bucket, 5)
    given = {
        "uri": bucket.uri,
        "options": {**bucket.place.options, "max_retries": "0"},
        "way": way.url,
        "rounds": ROUNDS,
        "how": how,
        "method": method,
    }
    done = subprocess.run(
        [sys.executable, "-c", QUERIES],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = [line for n in range(ROUNDS) for line in (f"{n} refused", f"{n} [('5:2',)]")]
    assert done.stdout.splitlines() == expected


def test_a_dataset_is_read_in_every_way_that_one_is_read_in(bucket: Lake) -> None:
    """Whole, by columns, filtered, its first rows, counted, and as a stream: partition columns included."""
    import pyarrow.compute as pc

    fill(bucket, 5)
    dataset = bucket.events.snapshot().dataset()
    rows = dataset.to_table()
    late = pc.field("batch") > 3
    columns = ["guid", "collected_on"]
    assert rows.num_rows == dataset.count_rows() == 15
    assert rows["collected_on"].null_count == 0
    assert dataset.scanner().to_reader().read_all() == rows
    assert dataset.head(4) == rows.slice(0, 4)
    assert (
        dataset.scanner(columns=columns, filter=late).to_reader().read_all()
        == dataset.to_table(columns=columns, filter=late)
        == rows.filter(late).select(columns)
    )
