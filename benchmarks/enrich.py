"""How fast raw states become activity, and how much memory that takes.

    python benchmarks/enrich.py ancestors   1 million events over 100,000 folders, beside a request for each
    python benchmarks/enrich.py linear      10 million events, in growing parts, each in its own process
    python benchmarks/enrich.py increment   10,000 events onto 10 million objects, and what queries take
    python benchmarks/enrich.py unknown     a feed that never told of its folders: what is asked of the Portal

``--scale 0.1`` makes everything ten times smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from ctera_insights.activity import derived_views, enrich_lake, enrich_lake_plain
from ctera_insights.lake import FeedWriter, Lake
from ctera_insights.model import wire_schema
from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.portal.pages import decode_page
from ctera_insights.simulator import Feed, SimulatedPortal, World

UUID = "4fbc5aca-71d7-4bbf-9928-695d3b2dc711"
BATCH_ROWS = 100_000
FANOUT = 10
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def guids(numbers: np.ndarray) -> pa.Array:
    return pa.array(np.char.add(f"{UUID}:", numbers.astype(str)), pa.string())


def page(numbers: np.ndarray, versions: np.ndarray, folders: int, sizes: np.ndarray) -> pa.Table:
    """States of objects by number: the first ``folders`` are a tree of directories, the others its files."""
    is_folder = numbers < folders
    parents = np.where(is_folder, (numbers - 1) // FANOUT, (numbers * 7919) % folders)
    parent_guids = pa.array(
        np.char.add(f"{UUID}:", parents.astype(str)), pa.string(), mask=np.asarray(numbers == 0)
    )
    names = np.char.add(np.where(is_folder, "folder ", "document "), numbers.astype(str))
    names = np.where(is_folder, names, np.char.add(names, ".docx"))
    at = pa.array((EPOCH.timestamp() * 1e6 + versions * 1000).astype("int64")).cast(pa.timestamp("us", "UTC"))
    rows = len(numbers)
    columns = {
        "type": pa.array(np.where(is_folder, "folder", "file")),
        "guid": guids(numbers),
        "deleted": pa.array(np.zeros(rows, dtype=bool)),
        "name": pa.array(names, pa.string()),
        "folder_id": pa.array(np.full(rows, 16), pa.int64()),
        "parent_guid": parent_guids,
        "id": pa.array(numbers, pa.int64()),
        "size": pa.array(np.where(is_folder, 0, sizes), pa.int64()),
        "file_timestamp": at,
        "portal_modified_date": at,
        "virtual_portal_id": pa.array(np.full(rows, "5")),
        "acl": pa.nulls(rows, pa.string()),
        "gvsn": guids(versions),
        "extra": pa.nulls(rows, pa.string()),
    }
    schema = wire_schema()
    return pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)


def fill(lake: Lake, objects: int, folders: int, changes: int, seed: int = 1) -> None:
    """An inventory of objects, then changes of some of them, in batches of 100,000."""
    lots = np.random.default_rng(seed)
    with FeedWriter(lake, "benchmark") as writer:
        version = writer.position.seq + 1
        for start in range(0, objects, BATCH_ROWS):
            numbers = np.arange(start, min(start + BATCH_ROWS, objects))
            versions = np.arange(version, version + len(numbers))
            version += len(numbers)
            last = start + BATCH_ROWS >= objects
            writer.commit(
                [page(numbers, versions, folders, numbers % 50_000)], [], cursor="c", caught_up=last
            )
        total = objects or int(version)
        for start in range(0, changes, BATCH_ROWS):
            count = min(BATCH_ROWS, changes - start)
            numbers = lots.integers(folders, max(total, folders + 1), count)
            versions = np.arange(version, version + count)
            version += count
            writer.commit(
                [page(numbers, versions, folders, lots.integers(0, 90_000, count))],
                [],
                cursor="c",
                caught_up=start + count >= changes,
            )


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def ancestors(scale: float) -> None:
    """One run over a world's events, beside one request for the path of each."""
    events, folders = int(1_000_000 * scale), int(100_000 * scale)
    lots = Random(1)
    feed = Feed()
    world = World(feed)
    nodes = [world.cloud_folder("Projects", at=EPOCH)]
    for n in range(1, folders):
        nodes.append(world.create(nodes[(n - 1) // FANOUT], f"folder {n}", type="folder", at=EPOCH))
    for n in range(events - folders):
        world.create(
            nodes[lots.randrange(folders)], f"document {n}.docx", size=n, at=EPOCH + timedelta(seconds=n)
        )
    with tempfile.TemporaryDirectory() as directory:
        lake = Lake(directory)
        cursor, more = None, True
        with FeedWriter(lake, "benchmark") as writer:
            while more:
                pages = []
                while more and len(pages) < 50:
                    told = decode_page(feed.page(cursor, [], 2000))
                    cursor, more = told.cursor, told.has_more
                    pages.append(told.table())
                writer.commit(pages, [], cursor=cursor, caught_up=not more)
        ours = derived_in_a_process_of_its_own(directory)
        uid = next(iter(world.roots))
        sample = [(uid, world.guid(lots.randrange(501, 500 + events))) for _ in range(2000)]
        with SimulatedPortal(world, password="benchmark").run_in_thread() as portal:
            theirs = {
                "this package's client": asyncio.run(ask_each(portal.url, sample)),
                "the reference client": asyncio.run(ask_each_by_reference(portal.port, sample)),
            }
    print(f"{events:,} events over {folders:,} folders, paths and operations")
    print(f"  in one run {ours:21.1f} s {events / ours:10,.0f} events/s")
    print("  one `ancestors` request for each, over loopback:")
    for client, took in theirs.items():
        each = took / len(sample)
        times = each * events / ours
        print(f"    {client:22} {each * events:5.0f} s {1 / each:10,.0f} events/s {times:6.0f} times as long")


def derived_in_a_process_of_its_own(directory: str) -> float:
    """Seconds of a run, without the interpreter's start."""
    child = subprocess.run(
        [sys.executable, __file__, "derive", "--data", directory],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(child.stdout)


async def ask_each(url: str, keys: list[tuple[int, str]]) -> float:
    async with AsyncGlobalAdmin(url) as admin:
        await admin.login("admin", "benchmark")
        began = time.perf_counter()
        for key in keys:
            await admin.notifications.ancestors(key)
        return time.perf_counter() - began


async def ask_each_by_reference(port: int, keys: list[tuple[int, str]]) -> float:
    import logging

    from cterasdk import AsyncGlobalAdmin as Reference

    logging.disable()
    # The trailing "?" swallows the port that the reference client appends to plain HTTP addresses.
    async with Reference(f"127.0.0.1:{port}?", https=False) as admin:
        await admin.login("admin", "benchmark")
        began = time.perf_counter()
        for folder_id, guid in keys:
            await admin.notifications.ancestors(SimpleNamespace(folder_id=folder_id, guid=guid))
        return time.perf_counter() - began


def linear(scale: float) -> None:
    for millions in (1, 2.5, 5, 10):
        part = subprocess.run(
            [sys.executable, __file__, "part", "--scale", str(millions * scale)],
            check=True,
            capture_output=True,
            text=True,
        )
        print(part.stdout, end="", flush=True)


def part(scale: float) -> None:
    """Some million events: 70 percent an inventory, the others changes, a folder to ten files."""
    events = int(1_000_000 * scale)
    objects = int(events * 0.7)
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [
                *(sys.executable, __file__, "fill", "--data", directory),
                *(
                    "--objects",
                    str(objects),
                    "--folders",
                    str(objects // 10),
                    "--changes",
                    str(events - objects),
                ),
            ],
            check=True,
        )
        began = time.perf_counter()
        summary = enrich_lake_plain(Lake(directory))
        took = time.perf_counter() - began
        size = sum(f.stat().st_size for f in Path(directory).rglob("*.parquet")) / 2**30
    print(
        f"{summary.events:12,} events  {took:7.1f} s  {summary.events / took:9,.0f} events/s  "
        f"peak memory {peak_gb():.2f} GB  lake {size:.2f} GB"
    )


def increment(scale: float) -> None:
    """Many objects, then 10,000 changes; then what queries take."""
    import duckdb

    objects = int(10_000_000 * scale)
    with tempfile.TemporaryDirectory() as directory:
        lake = Lake(directory)
        fill(lake, objects, objects // 20, 0)
        began = time.perf_counter()
        enrich_lake_plain(lake)
        print(f"{objects:,} objects derived in {time.perf_counter() - began:.1f} s")
        for seed in (2, 3, 4):
            fill(lake, 0, objects // 20, 10_000, seed=seed)
            began = time.perf_counter()
            summary = enrich_lake_plain(lake)
            print(f"{summary.events:,} events more in {time.perf_counter() - began:.2f} s")
        with FeedWriter(lake, "benchmark") as writer:
            top = np.array([1])
            table = page(top, np.array([writer.position.seq + 1]), objects // 20, top)
            table = table.set_column(3, table.schema.field(3), pa.array(["renamed"]))
            writer.commit([table], [], cursor="c", caught_up=True)
        began = time.perf_counter()
        enrich_lake_plain(lake)
        print(f"a folder above {objects // 200:,} folders renamed in {time.perf_counter() - began:.2f} s")
        print(f"peak memory {peak_gb():.2f} GB")
        con = duckdb.connect()
        con.execute("SET TimeZone = 'UTC'").fetchall()
        began = time.perf_counter()
        for name, select in derived_views(lake).items():
            con.execute(f"CREATE VIEW {name} AS {select}").fetchall()
        print(f"views made in {time.perf_counter() - began:.2f} s")
        for query in (
            "SELECT count(*), sum(size) FROM objects WHERE NOT deleted",
            "SELECT extension, count(*), sum(size) FROM objects WHERE type = 'file' GROUP BY 1",
            "SELECT path, size FROM objects ORDER BY size DESC LIMIT 20",
            "SELECT count(*) FROM objects WHERE starts_with(path, 'folder 0/renamed/')",
            "SELECT count(*) FROM folders",
            "SELECT op, count(*) FROM activity WHERE phase = 'live' GROUP BY 1",
        ):
            began = time.perf_counter()
            con.execute(query).fetchall()
            print(f"  {time.perf_counter() - began:6.2f} s  {query}")


def unknown(scale: float) -> None:
    """Files of folders that the feed never told of."""
    folders = int(100_000 * scale)
    lots = Random(2)
    feed = Feed()
    world = World(feed)
    nodes = [world.cloud_folder("Projects", at=EPOCH)]
    for n in range(1, folders):
        nodes.append(world.create(nodes[(n - 1) // FANOUT], f"folder {n}", type="folder", at=EPOCH))
    seen = len(feed)
    for n in range(folders * 10):
        world.create(nodes[lots.randrange(folders)], f"document {n}.docx", size=n, at=EPOCH)
    entries = list(feed.log(seen))
    body = b'{"has_more":false,"cursor":"c","entries":[' + b",".join(entries) + b"]}"

    async def run(url: str, lake: Lake) -> None:
        async with AsyncGlobalAdmin(url) as admin:
            await admin.login("admin", "benchmark")
            began = time.perf_counter()
            summary = await enrich_lake(
                lake, lambda folder, guid: admin.notifications.ancestors((folder, guid))
            )
            took = time.perf_counter() - began
        print(f"{len(entries):,} events of {folders:,} unknown folders in {took:.1f} s")
        print(f"  {summary.asked:,} requests, {summary.mended:,} paths mended, {summary.unknown} unknown")

    with tempfile.TemporaryDirectory() as directory:
        lake = Lake(directory)
        with FeedWriter(lake, "benchmark") as writer:
            writer.commit([decode_page(body).table()], [], cursor="c", caught_up=True)
        with SimulatedPortal(world, password="benchmark").run_in_thread() as portal:
            asyncio.run(run(portal.url, lake))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", choices=["ancestors", "linear", "increment", "unknown", "part", "fill", "derive"]
    )
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--data")
    for name in ("objects", "folders", "changes"):
        parser.add_argument(f"--{name}", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.what == "fill":
        fill(Lake(chosen.data), chosen.objects, chosen.folders, chosen.changes)
        return
    if chosen.what == "derive":
        print(enrich_lake_plain(Lake(chosen.data)).seconds)
        return
    globals()[chosen.what](chosen.scale)


if __name__ == "__main__":
    main()
