"""``enrich``: turn raw states into activity."""

from __future__ import annotations

import click

from ctera_insights.cli.options import DATA, bar, count, lake_at


@click.command()
@DATA
@click.option("--rebuild", is_flag=True, help="Derive everything anew, beside the tables in use.")
def enrich(data: str | None, rebuild: bool) -> None:
    """Derive activity, objects and folders from the batches not handled yet; `collect` does so by itself."""
    from ctera_insights.activity import enrich_lake_plain

    lake = lake_at(data)
    progress, report = bar("Deriving activity")
    with progress:
        done = enrich_lake_plain(lake, None, report, rebuild)
    click.echo(
        f"{count(done.events, 'event')} handled in {done.seconds:.1f} s"
        + (
            f"; {count(done.unknown, 'directory', 'directories')} in paths still unknown"
            if done.unknown
            else ""
        )
        + (f"; waiting for the inventory of {', '.join(done.waiting)} to end" if done.waiting else "")
    )
