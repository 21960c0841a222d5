"""``demo``: the whole way, from a simulated Portal to SQL, in one command."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from typing import TYPE_CHECKING

import click

from ctera_insights.cli.collect import stopping, summarize
from ctera_insights.lake import Lake

if TYPE_CHECKING:
    from ctera_insights.collect import Progress


@click.command()
@click.option("--data", metavar="DIR", default="data/demo", show_default=True, help="Where the lake goes.")
@click.option(
    "--events",
    type=click.IntRange(min=1),
    metavar="N",
    default=50_000,
    show_default=True,
    help="About so many events.",
)
def demo(data: str, events: int) -> None:
    """Collect a simulated office's file activity and show what it is like."""
    lake = Lake(data)
    click.echo(f"A simulated Portal serves about {events:,} file events; collecting them into {data} …")
    started = time.monotonic()
    final = asyncio.run(_collect(lake, events))
    summarize(lake, final, time.monotonic() - started)
    if not final.batches:
        click.echo("The demo had been collected before: the cursor in the lake says so.")
    _show(lake)
    where = shlex.quote(data)
    query = "SELECT * FROM events WHERE phase = 'live' LIMIT 5"
    click.echo(f'Next:  ctera-insights sql --data {where} "{query}"')


async def _collect(lake: Lake, events: int) -> Progress:
    from ctera_insights.collect import Collector
    from ctera_insights.portal import AsyncGlobalAdmin
    from ctera_insights.simulator import SimulatedPortal
    from ctera_insights.simulator.sources.scenario import ScenarioSource
    from ctera_insights.widgets.progress import progress_display

    source = ScenarioSource("office", events=events)
    async with SimulatedPortal(source) as portal, AsyncGlobalAdmin(portal.url) as admin:
        await admin.login(portal.user, portal.password)
        with progress_display(sys.stderr) as report:
            collector = Collector(admin.notifications, lake, f"demo/{source.name}/{events}", progress=report)
            with stopping(collector):
                final = await collector.run()
        await admin.logout()
    return final


def _show(lake: Lake) -> None:
    from ctera_insights.insights.views import connect

    with connect(lake) as connection:
        click.echo(
            str(
                connection.sql(
                    """
                    SELECT phase, type, count(*) AS events, count(*) FILTER (deleted) AS deleted,
                           round(sum(size) / 1e9, 1) AS gb,
                           min(portal_modified_date) AS first, max(portal_modified_date) AS last
                    FROM events GROUP BY ALL ORDER BY ALL
                    """
                )
            ),
            nl=False,
        )
