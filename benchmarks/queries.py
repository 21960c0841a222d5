"""How long each analysis takes, cold, and pandas beside it on the same files.

    python benchmarks/queries.py [--rows 10_000_000] [--threads 2] [--keep DIR]

Writes a seeded store's worth of activity as Parquet, as many files as a compacted store has, then runs every
analysis in a fresh DuckDB connection, and the straightforward pandas computation of some of them, reading its
columns included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

from ctera_insights.insights import Insights, analyses

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS_A_FILE = 2_000_000

ACTIVITY = """
COPY (
    WITH drawn AS (
        SELECT
            i,
            (hash(i) % 1000000007)::BIGINT AS h,
            -- A few objects are hot: the cube of a uniform number.
            floor({objects} * pow((hash(i, 1) % 1000000) / 1e6, 3))::BIGINT AS object
        FROM range({first}, {last}) t(i)
    ),
    shaped AS (
        SELECT
            *,
            object % 20 AS cloud,
            'Cloud folder ' || (object % 20) AS cloud_folder,
            'Team ' || (object // 20 % 50) || '/Project ' || (object // 1000 % 40) AS folder,
            ['pdf', 'docx', 'xlsx', 'png', 'jpg', 'log', 'txt', 'dwg', ''][1 + (hash(object) % 9)::INTEGER] AS
            extension, CASE
                WHEN i < {objects} THEN 'created' WHEN h % 100 < 30 THEN 'created' WHEN h % 100 < 75 THEN
                'modified' WHEN h % 100 < 80 THEN 'renamed' WHEN h % 100 < 84 THEN 'moved' WHEN h % 100 < 94
                THEN 'deleted' WHEN h % 100 < 96 THEN 'restored' WHEN h % 100 < 98 THEN 'acl_changed' ELSE
                'unchanged'
            END AS op
        FROM drawn
    ),
    named AS (
        SELECT *, 'Document ' || object || if(extension = '', '', '.' || extension) AS name FROM shaped
    )
    SELECT
        'portal' AS feed,
        i AS seq,
        to_timestamp(1735689600 + i * {step}) AS "at",
        to_timestamp(1735689600 + i * {step} + h % 30) AS collected_at,
        if(i < {objects}, 'baseline', 'live') AS phase,
        op,
        'file' AS type,
        '4fbc5aca-71d7-4bbf-9928-695d3b2dc711:' || if(i < {objects}, i, object) AS guid,
        cloud AS folder_id,
        cloud_folder,
        cloud_folder || '/' || folder || '/' || name AS path,
        CASE
            WHEN op = 'renamed' THEN cloud_folder || '/' || folder || '/Draft ' || name
            WHEN op = 'moved' THEN cloud_folder || '/Inbox/' || name
        END AS old_path,
        name,
        extension,
        3 AS depth,
        h % 10000000 AS size,
        CASE
            WHEN op IN ('created', 'restored') THEN h % 10000000 WHEN op = 'deleted' THEN -h % 10000000
            WHEN op = 'modified' THEN h % 200000 - 90000 ELSE 0
        END::BIGINT AS size_delta,
        op = 'deleted' AS deleted,
        to_timestamp(1735689600 + i * {step} - h % 90000000) AS file_timestamp,
        op = 'acl_changed' AS acl_changed,
        if(op = 'acl_changed', 'D:(A;;FA;;;BA)(A;;FR;;;' || if(h % 1000003 < 3, 'WD)', 'SY)'), NULL) AS acl,
        if(op = 'acl_changed', 'D:(A;;FA;;;BA)', NULL) AS old_acl,
        1 + i // 2000 AS batch
    FROM named
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""

OBJECTS = """
COPY (
    SELECT
        feed, folder_id, guid, i AS id, 'file' AS type, name, cloud_folder, path, extension, depth, size,
        file_timestamp, "at" AS portal_modified_date, false AS deleted
    FROM (SELECT *, seq AS i FROM read_parquet('{activity}') WHERE phase = 'baseline')
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""

VIEWS = """
CREATE VIEW activity AS FROM read_parquet('{folder}/activity-*.parquet');
CREATE VIEW objects AS FROM read_parquet('{folder}/objects.parquet');
CREATE VIEW events AS SELECT *, 1 AS epoch, "at" AS portal_modified_date, true AS caught_up FROM activity;
CREATE VIEW batches AS
    SELECT feed, batch, 1 AS epoch, max(collected_at) AS collected_at, count(*) AS events, 0 AS quarantined,
        true AS caught_up
    FROM activity GROUP BY feed, batch;
"""


def make(folder: Path, rows: int) -> None:
    """Write the files, unless they are there."""
    objects = max(1000, rows // 10)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for first in range(0, rows, ROWS_A_FILE):
            path = folder / f"activity-{first // ROWS_A_FILE:04}.parquet"
            if not path.exists():
                last = min(rows, first + ROWS_A_FILE)
                connection.execute(
                    ACTIVITY.format(
                        objects=objects, first=first, last=last, step=31_536_000 / rows, path=path
                    )
                )
        path = folder / "objects.parquet"
        if not path.exists():
            connection.execute(OBJECTS.format(activity=folder / "activity-*.parquet", path=path))


def open_store(folder: Path, threads: int) -> Insights:
    """A fresh connection: nothing of the files is in its memory."""
    connection = duckdb.connect(config={"threads": threads})
    connection.execute(VIEWS.format(folder=folder))
    return Insights(connection)


def live(folder: Path, columns: list[str]) -> pd.DataFrame:
    """The observed changes as pandas users read them."""
    frame = pd.read_parquet(sorted(folder.glob("activity-*.parquet")), columns=[*columns, "phase", "op"])
    return frame[(frame.phase == "live") & (frame.op != "unchanged")]


def pandas_over_time(folder: Path) -> pd.DataFrame:
    frame = live(folder, ["at", "size_delta"])
    frame = frame.assign(
        day=frame["at"].dt.floor("D"),
        plus=frame.size_delta.clip(lower=0),
        minus=frame.size_delta.clip(upper=0),
    )
    return frame.groupby(["day", "op"]).agg(n=("op", "size"), plus=("plus", "sum"), minus=("minus", "sum"))


def pandas_heatmap(folder: Path) -> pd.Series:
    at = live(folder, ["at"])["at"]
    return at.groupby([at.dt.day_of_week, at.dt.hour]).size()


def pandas_operations(folder: Path) -> pd.DataFrame:
    frame = live(folder, ["at", "type", "guid", "size_delta"])
    return frame.groupby(["op", "type"]).agg(
        n=("guid", "size"), objects=("guid", "nunique"), first=("at", "min"), last=("at", "max")
    )


def pandas_hot_folders(folder: Path) -> pd.Series:
    frame = live(folder, ["path", "size_delta"])
    level = frame.path.str.split("/").str[:2].str.join("/")
    return frame.groupby(level).size().nlargest(20)


def pandas_hot_files(folder: Path) -> pd.Series:
    frame = live(folder, ["folder_id", "guid"])
    return frame.groupby(["folder_id", "guid"]).size().nlargest(20)


def pandas_growth(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(sorted(folder.glob("activity-*.parquet")), columns=["at", "phase", "size_delta"])
    start = frame[frame.phase == "baseline"].size_delta.sum()
    frame = frame[frame.phase == "live"]
    daily = frame.groupby(frame["at"].dt.floor("D")).size_delta.agg(
        plus=lambda d: d[d > 0].sum(), minus=lambda d: d[d < 0].sum()
    )
    return daily.assign(total=start + (daily.plus + daily.minus).cumsum())


def pandas_drift(folder: Path) -> pd.Series:
    frame = live(folder, ["at", "extension"])
    frame = frame[frame.op.isin(["created", "restored"])]
    return frame.groupby([frame["at"].dt.floor("D"), "extension"]).size()


PANDAS: dict[str, Callable[[Path], object]] = {
    "activity_over_time": pandas_over_time,
    "heatmap": pandas_heatmap,
    "operations": pandas_operations,
    "hot_folders": pandas_hot_folders,
    "hot_files": pandas_hot_files,
    "growth": pandas_growth,
    "file_type_drift": pandas_drift,
}


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and seconds of all cores together: the latter do not mind what else runs."""
    start, busy = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - busy


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=lambda text: int(text.replace("_", "")), default=10_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the files, used again when they are there")
    parser.add_argument("--only", help="one analysis")
    parser.add_argument("--no-pandas", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, asked.rows)
        print(f"{asked.rows:,} activity rows, {asked.threads} threads\n")
        print(f"{'':<26}{'seconds':>9}{'cpu s':>8}{'pandas':>9}{'times':>7}")
        for name in analyses() if asked.only is None else [asked.only]:
            arguments = {"of_path": "Cloud folder 1/Team 0"} if name == "path_history" else {}
            insights = open_store(folder, asked.threads)
            seconds, busy = timed(lambda i=insights, n=name, a=arguments: getattr(i, n)(**a).arrow())
            insights.connection.close()
            line = f"{name:<26}{seconds:>9.3f}{busy:>8.2f}"
            if name in PANDAS and not asked.no_pandas:
                beside, _ = timed(lambda n=name: PANDAS[n](folder))
                line += f"{beside:>9.2f}{beside / seconds:>7.1f}"
            print(line, flush=True)
        if asked.only is None:
            for name in ("alerts", "preview"):
                insights = open_store(folder, asked.threads)
                seconds, busy = timed(getattr(insights, name))
                print(f"{name:<26}{seconds:>9.3f}{busy:>8.2f}")


if __name__ == "__main__":
    main()
