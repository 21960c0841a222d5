"""``demo``: the whole way, from a simulated Portal to SQL, in one command."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ctera_insights.cli.collect import stopping, summarize
from ctera_insights.cli.leaving import run
from ctera_insights.lake import Lake

if TYPE_CHECKING:
    from ctera_insights.activity import Summary
    from ctera_insights.collect import Progress


@click.command()
@click.option("--data", metavar="DIR", default="data/demo", show_default=True, help="Where the lake goes.")
@click.option(
    "--events",
    type=click.IntRange(min=200),
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
    collected, derived = run(_collect(lake, events))
    summarize(lake, collected, derived, time.monotonic() - started)
    if not collected.batches:
        click.echo("The demo had been collected before: the cursor in the lake says so.")
    _show(lake)
    where = shlex.quote(data)
    query = "SELECT old_path, path FROM activity WHERE op = 'moved' AND type = 'folder' LIMIT 5"
    click.echo(f'Next:  {_program()} sql --data {where} "{query}"')


def _program() -> str:
    """What to type to run this here: `make demo` leaves it where no shell looks for it."""
    if shutil.which("ctera-insights"):
        return "ctera-insights"
    with contextlib.suppress(ValueError):
        return shlex.quote(str(Path(sys.argv[0]).absolute().relative_to(Path.cwd())))
    return shlex.quote(sys.argv[0])


async def _collect(lake: Lake, events: int) -> tuple[Progress, Summary | None]:
    from ctera_insights.pipeline import collect_portal
    from ctera_insights.simulator import SimulatedPortal
    from ctera_insights.simulator.sources.scenario import ScenarioSource
    from ctera_insights.widgets.progress import progress_display

    source = ScenarioSource("office", events=events)
    with progress_display(sys.stderr) as report, stopping() as stop:
        async with SimulatedPortal(source) as portal:
            return await collect_portal(
                portal.url,
                lake,
                user=portal.user,
                password=portal.password,
                feed=f"demo/{source.name}/{events}",
                portal_moved=True,  # it has another port each time
                progress=report,
                stop=stop,
            )


def _show(lake: Lake) -> None:
    from ctera_insights.insights import Insights

    with Insights(lake) as insights:
        for title, query in QUESTIONS.items():
            click.echo(f"\n{title}\n{insights.sql(query).box()}", nl=False)


QUESTIONS: Final = {
    "What happened": """
        SELECT op, count(*) AS changes, count(DISTINCT cloud_folder) AS cloud_folders,
               round(sum(size_delta) / 1e9, 1) + 0.0 AS growth_gb, max("at") AS last
        FROM activity WHERE phase = 'live' GROUP BY op ORDER BY changes DESC
    """,
    "Where": """
        SELECT cloud_folder, count(*) AS changes, count(*) FILTER (op = 'deleted') AS deleted
        FROM activity WHERE phase = 'live' GROUP BY cloud_folder ORDER BY changes DESC LIMIT 5
    """,
}
