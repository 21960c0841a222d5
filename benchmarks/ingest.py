"""How fast are events brought in? The reference client, this package, and the floor, against one page server.

    python benchmarks/ingest.py [--events 1000000] [--repeat 3]

Each runs in a process of its own, the server in another; start-up is not counted. The reference client gets a
twentieth of the events, our service a quarter: their speed does not depend on how many there are. Figures are
medians over the repeats.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from operator import attrgetter
from pathlib import Path
from typing import Any

PASSWORD = "benchmark"
COLUMNS = [
    *("type", "guid", "deleted", "name", "folder_id", "parent_guid", "id", "size", "file_timestamp"),
    *("portal_modified_date", "virtual_portal_id", "acl", "gvsn"),
]


def serve(events: int) -> None:
    """Serve so many events of an office, all of them listable at once; print the URL."""
    from ctera_insights.simulator import Feed, SimulatedPortal, World

    async def run() -> None:
        world = World(Feed())
        root = world.cloud_folder("Projects")
        folders = [world.create(root, f"Project {n}", type="folder") for n in range(max(events // 100, 1))]
        for number in range(events - len(folders) - 1):
            world.create(folders[number % len(folders)], f"Minutes of meeting {number}.docx", size=number)
        async with SimulatedPortal(world, password=PASSWORD) as portal:
            print(portal.url, flush=True)
            await asyncio.Event().wait()

    asyncio.run(run())


async def reference(url: str, events: int, directory: Path) -> None:
    """(a) cterasdk's service, a worker, pandas -> Parquet."""
    import cterasdk.settings
    from cterasdk import AsyncGlobalAdmin

    cterasdk.settings.core.asyn.settings.connector.ssl = False
    address = url.removeprefix("http://") + "?"  # this client takes plain HTTP to be port 80, but for this
    async with AsyncGlobalAdmin(address, https=False) as admin:
        await work(admin, events, directory)


async def service(url: str, events: int, directory: Path) -> None:
    """(b) the same program on our client."""
    from ctera_insights.portal import AsyncGlobalAdmin

    async with AsyncGlobalAdmin(url) as admin:
        await work(admin, events, directory)


async def work(admin: Any, events: int, directory: Path) -> None:
    """What a user writes around either service."""
    import pandas as pd

    queue: asyncio.Queue[Any] = asyncio.Queue()
    done = asyncio.Event()
    rows: list[tuple[Any, ...]] = []
    seen = 0

    async def save_cursor(cursor: str) -> None:
        nonlocal seen
        pd.DataFrame(rows, columns=COLUMNS).to_parquet(directory / f"{seen}.parquet")
        (directory / "cursor").write_text(cursor)
        seen += len(rows)
        rows.clear()
        if seen >= events:
            done.set()

    async def worker() -> None:
        values = attrgetter(*COLUMNS)
        while True:
            rows.append(values(await queue.get()))
            queue.task_done()

    await admin.login("admin", PASSWORD)
    admin.notifications.service.run(queue, save_cursor, cursor=None)
    consumer = asyncio.create_task(worker())
    await done.wait()
    consumer.cancel()
    await admin.notifications.service.stop()
    await admin.logout()


async def collector(url: str, events: int, directory: Path) -> None:
    """(c) our collector, every batch committed and flushed."""
    from ctera_insights.collect import Collector
    from ctera_insights.lake import Lake
    from ctera_insights.portal import AsyncGlobalAdmin

    async with AsyncGlobalAdmin(url) as admin:
        await admin.login("admin", PASSWORD)
        final = await Collector(admin.notifications, Lake(directory), "benchmark").run()
    if final.committed < events:
        raise RuntimeError(f"only {final.committed} of {events} events arrived")


async def floor(url: str, events: int, directory: Path) -> None:
    """(d) the bytes of the pages, and the cursor cut out of them."""
    del directory
    import aiohttp

    seen, cursor = 0, None
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        form = {"j_username": "admin", "j_password": PASSWORD}
        await session.post(f"{url}/admin/api/login", data=form)
        while seen < events:
            query = {"folder_ids": [], "cursor": cursor, "max_results": 2000}
            async with session.post(f"{url}/admin/v2/api/metadata/list", json=query) as response:
                body = await response.read()
            cursor = body.partition(b'"cursor": "')[2].partition(b'"')[0].decode()
            seen += 2000


IMPORTS = {
    "a": ("cterasdk", "pandas", "pyarrow.parquet"),
    "b": ("ctera_insights.portal.client", "pandas", "pyarrow.parquet"),
    "c": (
        *("ctera_insights.portal.client", "ctera_insights.collect", "deltalake", "filelock"),
        *("pandas", "pyarrow.compute", "pyarrow.parquet"),
    ),
    "d": ("aiohttp",),
}
RUNS = {"a": reference, "b": service, "c": collector, "d": floor}


def run_one(name: str, url: str, events: int) -> None:
    """Run one of them here, and print what it took as JSON."""
    for module in IMPORTS[name]:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        asyncio.run(RUNS[name](url, events, Path(directory)))
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"events_per_s": events / seconds, "peak_bytes": peak}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--run", choices=list(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.events)
        return
    if options.run:
        run_one(options.run, options.url, options.events)
        return
    myself = [sys.executable, __file__]
    with subprocess.Popen(
        [*myself, "--serve", "--events", str(options.events)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        share = {"a": 20, "b": 4, "c": 1, "d": 1}
        figures: dict[str, list[dict[str, float]]] = {name: [] for name in RUNS}
        for _ in range(options.repeat):
            for name in RUNS:
                events = max(options.events // share[name], 2000)
                command = [*myself, "--run", name, "--url", url, "--events", str(events)]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                figures[name].append(json.loads(told.splitlines()[-1]))
        server.terminate()
    median = {name: statistics.median(run["events_per_s"] for run in figures[name]) for name in RUNS}
    for name, run in RUNS.items():
        peak = max(each["peak_bytes"] for each in figures[name]) / 2**20
        print(f"{median[name]:>12,.0f} events/s  {peak:6.0f} MiB peak  {run.__doc__}")
    for over, under in ("ca", "ba", "cd"):
        print(f"{over}/{under} {median[over] / median[under]:.2f}", end="   ")
    print()


if __name__ == "__main__":
    main()
