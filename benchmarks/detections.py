"""How many planted incidents the detections find, and how many alerts a month quiet histories raise.

    python benchmarks/detections.py [--events 200_000] [--seeds 3] [--git REPOSITORY …]

Runs the simulator's scenarios through the whole way: Portal, collector, enrichment, detections. ``--git``
adds real histories, replayed: nothing is planted there, so whatever fires is a false alarm, or something that
a person would have wanted to see. An incident is found when its rules fire in its cloud folders while it
lasts.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from ctera_insights.activity import enrich_lake
from ctera_insights.collect import Collector
from ctera_insights.insights import Insights
from ctera_insights.insights.detections import SENSITIVITIES
from ctera_insights.lake import Lake
from ctera_insights.portal import AsyncGlobalAdmin
from ctera_insights.simulator import SimulatedPortal
from ctera_insights.simulator.sources.git import GitSource
from ctera_insights.simulator.sources.scenario import ScenarioSource

if TYPE_CHECKING:
    from ctera_insights.insights import Alerts
    from ctera_insights.simulator import Source
    from ctera_insights.simulator.sources.scenario.incidents import Incident

RULES = {
    "mass-deletion": ("mass_deletion",),
    "mass-rename": ("mass_rename",),
    "permission-opening": ("permission_opening",),
    "ransomware": ("new_extension", "rewrite_burst", "mass_rename"),
    "growth": ("sudden_growth",),
}
SLACK = timedelta(minutes=5)


async def collect(source: Source, store: str) -> None:
    lake = Lake(store)
    async with SimulatedPortal(source) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        await Collector(admin.notifications, lake, source.name).run()
        await admin.logout()
    await enrich_lake(lake)


def marks(incident: Incident) -> list[tuple[str, str]]:
    """What should fire: each rule in each cloud folder that is struck."""
    return [(rule, folder) for rule in RULES.get(incident.kind, ()) for folder in incident.cloud_folders]


def fired(alerts: Alerts, rule: str, folder: str, incident: Incident) -> bool:
    return any(
        alert.rule == rule
        and alert.cloud_folder == folder
        and alert.first_at <= incident.end + SLACK
        and alert.last_at >= incident.start - SLACK
        for alert in alerts
    )


def judge(source: Source, title: str, planted: Counter[float], found: Counter[float]) -> None:
    with tempfile.TemporaryDirectory() as store:
        asyncio.run(collect(source, store))
        incidents: list[Incident] = list(getattr(source, "incidents", ()))
        with Insights(store) as insights:
            months = insights.preview().df().months[0]
            told = []
            for sensitivity in SENSITIVITIES:
                alerts = insights.alerts(sensitivity=sensitivity)
                expected = [(incident, *mark) for incident in incidents for mark in marks(incident)]
                hits = [fired(alerts, rule, folder, incident) for incident, rule, folder in expected]
                planted[sensitivity] += len(hits)
                found[sensitivity] += sum(hits)
                of_an_incident = sum(
                    any(a.first_at <= i.end + SLACK and a.last_at >= i.start - SLACK for i in incidents)
                    for a in alerts
                )
                told.append(f"{(len(alerts) - of_an_incident) / months:>8.2f}")
            print(f"{title:<28}{months:>7.1f}{len(incidents):>10}  {''.join(told)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=lambda text: int(text.replace("_", "")), default=200_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--git", nargs="*", default=[], metavar="REPOSITORY")
    asked = parser.parse_args()
    planted: Counter[float] = Counter()
    found: Counter[float] = Counter()
    print("alerts a month that belong to no planted incident, by sensitivity\n")
    print(f"{'':<28}{'months':>7}{'incidents':>10}  " + "".join(f"{s:>8g}" for s in SENSITIVITIES))
    for name in ("office", "ransomware", "mass-deletion", "growth", "quiet"):
        for seed in range(asked.seeds):
            judge(
                ScenarioSource(name, seed=seed, events=asked.events), f"{name}, seed {seed}", planted, found
            )
    for repository in asked.git:
        judge(GitSource(repository), f"git {repository.rstrip('/').rpartition('/')[2]}", planted, found)
    print("\nmarks of planted incidents that fired, by sensitivity")
    for s in SENSITIVITIES:
        print(f"{s:>8g}{found[s]:>7} of {planted[s]}")


if __name__ == "__main__":
    main()
