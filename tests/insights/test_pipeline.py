"""From a simulated Portal through collector and enrichment: answers agree with each other and the script."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ctera_insights.activity import enrich_lake
from ctera_insights.collect import Collector
from ctera_insights.insights import Insights, analyses
from ctera_insights.lake import Lake
from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.sources.scenario import ScenarioSource

if TYPE_CHECKING:
    from pathlib import Path

    from ctera_insights.simulator.sources.scenario.incidents import Incident

SCALE = float(os.environ.get("CTERA_INSIGHTS_TEST_SCALE", "1"))
RULES_OF = {
    "mass-deletion": {"mass_deletion"},
    "mass-rename": {"mass_rename"},
    "permission-opening": {"permission_opening"},
    "ransomware": {"new_extension", "rewrite_burst", "mass_rename"},
    "growth": {"sudden_growth"},
}


@dataclass
class Collected:
    store: Path
    insights: Insights
    incidents: list[Incident]


async def collect(name: str, events: int, store: Path) -> list[Any]:
    source = ScenarioSource(name, events=events)
    async with SimulatedPortal(source) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        await Collector(admin.notifications, Lake(store), name).run()
        await admin.logout()
    await enrich_lake(Lake(store))
    return list(source.incidents)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    store = tmp_path_factory.mktemp("office")
    incidents = asyncio.run(collect("office", int(60_000 * SCALE), store))
    return Collected(store, Insights(store), incidents)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Collected:
    store = tmp_path_factory.mktemp("quiet")
    incidents = asyncio.run(collect("quiet", int(30_000 * SCALE), store))
    return Collected(store, Insights(store), incidents)


@pytest.mark.parametrize("name", analyses())
def test_every_analysis_answers_over_a_real_store(office: Collected, name: str):
    arguments = {"of_path": "Finance"} if name == "path_history" else {}
    assert getattr(office.insights, name)(**arguments).arrow().num_rows > 0


def test_running_totals_end_at_the_state_although_the_portal_does_not_tell_all_deletions(office: Collected):
    for filters in ({}, {"cloud_folder": "Legal"}, {"cloud_folder": "Engineering"}):
        last = office.insights.growth(**filters).df().iloc[-1]  # type: ignore[arg-type]  # plain dict
        state = office.insights.overview(**filters).df().iloc[0]  # type: ignore[arg-type]  # plain dict
        assert (last.total_bytes, last.total_files) == (state.bytes, state.files)


def test_every_planted_incident_is_found_where_and_when_it_was(office: Collected):
    alerts = list(office.insights.alerts())
    slack = timedelta(minutes=5)
    for incident in office.incidents:
        for rule in RULES_OF.get(incident.kind, set()):
            for folder in incident.cloud_folders:
                found = [
                    a for a in alerts
                    if a.rule == rule and a.cloud_folder == folder
                    and a.first_at <= incident.end + slack and a.last_at >= incident.start - slack
                ]  # fmt: skip
                assert found, f"{incident.kind} in {folder} was not found by {rule}"
                assert found[0].sample_paths


def test_a_quiet_history_raises_no_mark_of_ransomware_and_few_alerts(quiet: Collected):
    assert quiet.incidents == []
    at_1 = quiet.insights.preview().df().query("sensitivity == 1").set_index("rule").alerts_per_month
    assert at_1["rewrite_burst"] == at_1["new_extension"] == at_1["permission_opening"] == 0
    assert at_1.sum() < 3


def test_permission_changes_are_explained(office: Collected):
    opened = office.insights.permission_changes().df().query("opened_to != ''")
    assert set(opened.opened_to) == {"Everyone"}
    assert opened.gained.str.contains("Everyone: ").all()


def test_an_open_store_sees_what_is_committed_later_after_refresh(tmp_path: Path):
    asyncio.run(collect("tiny", 400, tmp_path))
    with Insights(tmp_path) as insights:
        before = len(insights.changes())

        async def more() -> None:
            async with (
                SimulatedPortal(ScenarioSource("tiny", seed=9)) as portal,
                AsyncGlobalAdmin(portal.url) as admin,
            ):
                await admin.login(portal.user, portal.password)
                await Collector(admin.notifications, Lake(tmp_path), "another").run()
            await enrich_lake(Lake(tmp_path))

        asyncio.run(more())
        assert len(insights.refresh().changes()) > before
        assert len(insights.feed_health()) == 2
