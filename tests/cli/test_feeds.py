"""Feeds on the command line: what a feed is of, two of the same events, and a clock that is ahead."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.collect.scripted import ROOT, ScriptedPortal, file

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = [ROOT, file("a")]


async def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ctera_insights", *map(str, arguments)],
        env={**os.environ, "CTERA_INSIGHTS_PASSWORD": "pw"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def collect(portal: ScriptedPortal, data: Path, *more: object) -> tuple[object, ...]:
    return ("collect", "--portal", portal.url, "--user", "admin", "--data", data, "--no-enrich", *more)


async def test_a_feed_of_another_portal_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """Its cursor would pass over events of the other one; nothing is stored."""
    async with ScriptedPortal(FOLDERS) as one, ScriptedPortal([ROOT, file("x")], [file("y")]) as two:
        await run(*collect(one, tmp_path, "--feed", "office"))
        refused = await run(*collect(two, tmp_path, "--feed", "office"), code=2)
        assert "another Portal" in refused.stderr
        assert "--portal-moved" in refused.stderr
        assert "list" not in two.asked
        aimless = await run(*collect(two, tmp_path, "--portal-moved"), code=2)
        assert "--feed office" in aimless.stderr
        begun = await run(*collect(two, tmp_path))
        assert "--portal-moved --feed office" in begun.stderr
        status = json.loads((await run("status", "--data", tmp_path, "--json")).stdout)
    assert sorted(feed["events"] for feed in status["feeds"]) == [2, 3]


async def test_a_second_feed_of_one_portal_needs_insistence_and_is_noted(tmp_path: Path) -> None:
    async with ScriptedPortal(FOLDERS) as portal:
        await run(*collect(portal, tmp_path))
        refused = await run(*collect(portal, tmp_path, "--feed", "again"), code=2)
        assert "--allow-overlap" in refused.stderr
        assert "counted twice" not in (await run("check", "--data", tmp_path)).stdout
        insisted = await run(*collect(portal, tmp_path, "--feed", "again", "--allow-overlap"))
        assert "counted twice" in insisted.stderr
        checked = await run("check", "--data", tmp_path)
    assert "Note: " in checked.stdout
    assert "counted twice" in checked.stdout
    assert "sound" in checked.stdout


async def test_one_portal_under_two_addresses_is_found_by_what_it_tells(tmp_path: Path) -> None:
    """Nothing else gives it away: two addresses, two feeds, the same folders."""
    async with ScriptedPortal(FOLDERS) as one, ScriptedPortal(FOLDERS) as two:
        await run(*collect(one, tmp_path))
        await run("enrich", "--data", tmp_path)
        assert "are the same" not in (await run("check", "--data", tmp_path)).stdout
        await run(*collect(two, tmp_path))
        await run("enrich", "--data", tmp_path)
        checked = await run("check", "--data", tmp_path)
    assert "folders that are the same" in checked.stdout
    assert "sound" in checked.stdout


async def test_a_cloud_folder_of_which_nothing_is_told_is_asked_about(tmp_path: Path) -> None:
    """An id that the Portal does not know looks like an empty folder; and deriving is not behind."""
    async with ScriptedPortal([]) as portal:
        done = await run(*collect(portal, tmp_path, "--cloud-folder", 99))
        assert "cloud folder 99" in done.stderr
        assert "behind" not in done.stderr
        assert "behind" not in (await run("status", "--data", tmp_path)).stdout
        portal.pages.append([ROOT])
        assert "cloud folder" not in (await run(*collect(portal, tmp_path, "--cloud-folder", 99))).stderr


async def test_a_portal_whose_clock_is_ahead_is_told_of(tmp_path: Path) -> None:
    """Not "0.0 s behind"."""
    ahead = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    async with ScriptedPortal(FOLDERS) as portal:
        await run(*collect(portal, tmp_path))
        portal.pages.append([file("b", portal_modified_date=ahead)])
        await run(*collect(portal, tmp_path))
    status = await run("status", "--data", tmp_path)
    assert "the Portal's clock is 4 h 59 min ahead of this one" in status.stdout
    assert json.loads((await run("status", "--data", tmp_path, "--json")).stdout)["lag_s"] < -17_900
