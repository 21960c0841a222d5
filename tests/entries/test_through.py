"""Whatever entries hold, down to their bytes, goes through collecting, deriving, every analysis and export.

Every entry is a row or stands in quarantine with its bytes, and what stands beside it is untouched.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ctera_insights import Insights
from ctera_insights.activity import enrich_lake_plain
from ctera_insights.activity.upkeep import check_derived
from ctera_insights.collect import BatchLimits, Collector
from ctera_insights.insights import analyses
from ctera_insights.insights.report import make_report
from ctera_insights.lake import Lake
from ctera_insights.lake.check import check_lake
from ctera_insights.portal import AsyncGlobalAdmin, RetryPolicy
from ctera_insights.portal.pages import RawPage
from ctera_insights.simulator import Feed, SimulatedPortal, World

SCALE = int(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
VIEWS = ("events", "activity", "objects", "folders", "batches", "quarantine")
FORMATS = ("csv", "json", "jsonl", "parquet", "xlsx")
PATIENT = settings(
    deadline=None,
    max_examples=8 * SCALE,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@dataclass
class Told:
    """A feed of pages given as bytes of entries; each page also holds a sound entry on both sides."""

    pages: list[list[bytes]]
    sound: list[str] = field(default_factory=list)

    def body(self, number: int) -> bytes:
        guids = [f"sound {number} {side}" for side in ("before", "behind")]
        self.sound += [guid for guid in guids if guid not in self.sound]
        before, behind = (
            json.dumps({"guid": guid, "type": "file", "folder_id": 1}).encode() for guid in guids
        )
        more = b"true" if number + 1 < len(self.pages) else b"false"
        entries = b",\n".join([before, *self.pages[number], behind])
        return b'{"has_more":%s,"cursor":"%d","entries":[%s]}' % (more, number + 1, entries)

    async def list_raw(self, cursor: str | None, *_folders_and_size: object) -> RawPage:
        number = int(cursor or 0)
        if number >= len(self.pages):
            return RawPage.read(b'{"has_more":false,"cursor":"%d","entries":[]}' % number)
        return RawPage.read(self.body(number))

    async def wait_for_changes(self, cursor: str, *_folders_and_time: object) -> bool:
        return int(cursor) < len(self.pages)


def collect(lake: Lake, told: Told) -> None:
    asyncio.run(Collector(told, lake, "feed", limits=BatchLimits(rows=7)).run())


def through(home: Path, told: Told, *, report: bool = False) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Collect, derive twice, ask everything and write everything; gives the rows and what is quarantined."""
    lake = Lake(home / "data")
    collect(lake, told)
    enrich_lake_plain(lake, step_rows=10)
    enrich_lake_plain(lake, rebuild=True)
    assert check_lake(lake) == []
    assert check_derived(lake) == []
    with Insights(home / "data") as insights:
        (path,) = insights.sql("SELECT any_value(path) AS path FROM activity").arrow()["path"].to_pylist()
        for name in analyses():
            answer = getattr(insights, name)(*([path] if name == "path_history" else []))
            answer.df()
            repr(answer)
        for name in VIEWS:
            found = insights.sql(
                f"SELECT * EXCLUDE (raw) FROM {name}" if name == "quarantine" else f"FROM {name}"
            )
            found.df()
            repr(found)
            found._repr_html_()
            for ending in FORMATS if name in {"activity", "quarantine"} else ["json"]:
                getattr(found, f"to_{'excel' if ending == 'xlsx' else ending.removesuffix('l')}")(
                    home / f"{name}.{ending}"
                )
            assert len(json.loads((home / f"{name}.json").read_text(encoding="utf-8"))) == len(found)
        insights.alerts()
        rows = insights.sql("FROM events ORDER BY seq").arrow().to_pylist()
        raw = insights.sql("SELECT raw FROM quarantine ORDER BY batch, position").arrow()["raw"].to_pylist()
    if report:
        make_report(home / "data", home / "report.html")
    assert {row["guid"] for row in rows} >= set(told.sound)
    return rows, raw


GUIDS = ["a", "b", "c", "d", "sound 0 before", ""]
texts = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    [
        "",
        "/",
        "..",
        "=1+1",
        "a\0b",
        "\u202egpj.exe",
        "\ud800",
        "x" * 300,
        "D:(A;;FA;;;BA)",
        "u:1",
        "u:2",
        "v:1",
        "a.TXT",
        "😀" * 40,
    ]
)
numbers = (
    st.integers(-5, 50)
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([2**31, 2**53 + 1, -(2**40), 2**63 - 1, -(2**63), 2**63])
    | st.sampled_from(["7", "--5", "5_000", 1.0, 1.5, 1e300])
)
times = st.sampled_from(
    [
        "2026-03-01T00:00:00Z",
        "2026-03-02T10:00:00+02:00",
        "2026-03-02 10:00:00.5Z",
        "1712101500000",
        1712101500000,
        "2024-W01-1",
        "",
        "1980-01-01T00:00:00Z",
        "2261-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-05:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "1582-10-10T00:00:00Z",
        "2016-12-31T23:59:60Z",
    ]
) | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
odd = (
    st.none() | st.booleans() | st.floats() | st.lists(st.integers(), max_size=2) | st.just({"x": {"y": []}})
)


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(usual, usual, usual, odd)


wire_entries = st.fixed_dictionaries(
    {
        "guid": mostly(st.sampled_from(GUIDS)),
        "type": mostly(st.sampled_from(["file", "folder", "folder", "link"])),
    },
    optional={
        "folder_id": mostly(st.sampled_from([1, 2, -1, "1"])),
        "parent_guid": mostly(st.sampled_from(GUIDS)),
        "deleted": mostly(st.booleans()),
        "name": mostly(texts),
        "size": mostly(numbers),
        "id": mostly(numbers | st.sampled_from([2**63 - 1, -(2**63)])),
        "file_timestamp": mostly(times),
        "portal_modified_date": mostly(times),
        "modified": mostly(times),
        "virtual_portal_id": mostly(texts),
        "acl": mostly(texts),
        "gvsn": mostly(st.sampled_from(["u:1", "u:2", "u:3", "v:9", "u:x", ""])),
        "": odd,
        "new": odd,
    },
)
literal = wire_entries.map(lambda entry: json.dumps(entry).encode())


def damaged(raw: bytes, at: int, gone: int, put: bytes) -> bytes:
    at %= len(raw)
    return raw[:at] + put + raw[at + gone :]


bytes_of_entries = st.builds(
    damaged,
    literal,
    st.integers(0, 1000),
    st.integers(0, 3),
    st.binary(max_size=3)
    | st.sampled_from([b'"', b"{", b"}", b"[", b"]", b"\\", b",", b"\0", b"\xff", b"[" * 5000, b"NaN"]),
)


def is_row(raw: bytes) -> bool:
    guid = json.loads(raw).get("guid")
    return isinstance(guid, str | int) and not isinstance(guid, bool) and guid != ""


@PATIENT
@given(st.lists(st.lists(literal, max_size=8), min_size=1, max_size=4))
def test_every_entry_is_a_row_or_stands_in_quarantine(pages: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as home:
        rows, raw = through(Path(home), Told(pages))
    sent = [entry for page in pages for entry in page]
    assert raw == [entry for entry in sent if not is_row(entry)]
    assert len(rows) == sum(map(is_row, sent)) + 2 * len(pages)


@PATIENT
@given(st.lists(st.lists(bytes_of_entries, max_size=3), min_size=1, max_size=4))
def test_damage_to_the_bytes_of_entries_stays_with_them(pages: list[list[bytes]]) -> None:
    """A piece that is no row is in quarantine, and the sound entries on both sides are rows."""
    with tempfile.TemporaryDirectory() as home:
        told = Told(pages)
        rows, raw = through(Path(home), told)
    guids = [row["guid"] for row in rows]
    assert all(guids.count(guid) >= 1 for guid in told.sound)
    for kept in raw:
        assert any(kept in told.body(number) for number in range(len(pages)))


async def test_a_page_of_oddities_comes_through_the_wire(tmp_path: Path) -> None:
    """From a Portal over HTTP with a byte order mark, to a report."""
    oddities = [
        b'{"guid":"cr","type":"file","name":"Icon\r"}',
        b'{"guid":"deep","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"guid":"time","type":"file","portal_modified_date":"9999-12-31T23:59:59-05:00"}',
        b'{"guid":"open","name":"x}',
        b'{"guid":"digits","type":"file","size":"--5","id":' + b"1" * 5000 + b"}",
        b'{"guid":"latin","name":"Gr\xfc\xdfe"}',
    ]
    told = Told([oddities, []])
    portal = SimulatedPortal(World(Feed()), password="pw")

    async def listed(request: web.Request) -> web.Response:
        asked = await request.json()
        page = await told.list_raw(asked["cursor"])
        return web.Response(body=b"\xef\xbb\xbf" + page.body, content_type="application/json")

    async def polled(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response({"changes": int(asked["cursor"]) < len(told.pages)})

    @web.middleware
    async def instead(request: web.Request, handler: Any) -> web.StreamResponse:
        own = {"list": listed, "longpoll": polled}.get(request.path.rpartition("/")[2], handler)
        return await own(request)

    lake = Lake(tmp_path / "data")
    async with portal:
        app = web.Application(middlewares=[instead], client_max_size=2**26)

        async def forward(request: web.Request) -> web.StreamResponse:
            import aiohttp

            async with (
                aiohttp.ClientSession(cookies=request.cookies) as session,
                session.request(
                    request.method,
                    portal.url + request.path_qs,
                    data=await request.read(),
                    headers={"Content-Type": request.headers.get("Content-Type", "text/plain")},
                ) as answer,
            ):
                headers = {k: v for k, v in answer.headers.items() if k in {"Set-Cookie", "Content-Type"}}
                return web.Response(status=answer.status, body=await answer.read(), headers=headers)

        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with AsyncGlobalAdmin(url, retries=RetryPolicy(attempts=2, base_s=0.01)) as admin:
                await admin.login("admin", "pw")
                progress = await Collector(admin.notifications, lake, "feed").run()
        finally:
            await runner.cleanup()
    assert (progress.events, progress.quarantined) == (8, 2)


@pytest.mark.timeout(280)
def test_a_report_is_made_of_oddities(tmp_path: Path) -> None:
    page = [
        json.dumps(
            {"guid": f"g{n}", "type": "file", "folder_id": 1, "name": name, "size": n, "file_timestamp": at}
        ).encode()
        for n, name in enumerate(["", "/", "=1", "\u202egpj.exe", "😀" * 40, "\ud800", "x" * 3000])
        for at in ("2026-03-01T00:00:00Z", "0001-01-01T00:00:00+01:00")
    ]
    through(tmp_path, Told([page, page[::-1]]), report=True)
    assert (tmp_path / "report.html").stat().st_size > 10_000
