"""``download``: the content of files, mirrored below a directory."""

from __future__ import annotations

import sys
from typing import Any

import click

from ctera_insights.cli.options import DATA, count, lake_at, required
from ctera_insights.errors import EXIT_FAILED, UsageError
from ctera_insights.settings import PREFIX, setting
from ctera_insights.text import visible


@click.command()
@click.option("--portal", metavar="URL", help="The Portal: host or URL.  [env: CTERA_INSIGHTS_PORTAL]")
@DATA
@click.option("--to", "dest", required=True, metavar="DEST", help="Directory to mirror into.")
@click.option("--where", default="true", metavar="SQL", help="Condition on the columns of `objects`.")
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False), help="Trust the authorities in this PEM file."
)
@click.option("--insecure", is_flag=True, help="Accept any certificate.")
@click.pass_context
def download(context: click.Context, /, **options: Any) -> None:
    """Mirror the files that match a condition, under their paths, below a directory.

    What is there already is skipped; what was cut short is resumed. The keys of Direct IO come from
    CTERA_INSIGHTS_ACCESS_KEY_ID and CTERA_INSIGHTS_SECRET_ACCESS_KEY (or their _FILE).

    \b
    Example:
      ctera-insights download --portal URL --data DIR --to mirror --where "extension = 'pdf' AND size < 1e6"
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from ctera_insights.mirror import MirrorProgress, download

    portal = required("portal", options["portal"])
    lake = lake_at(options["data"])
    keys = {name: setting(name) for name in ("access_key_id", "secret_access_key")}
    if missing := [PREFIX + name.upper() for name, value in keys.items() if not value]:
        raise UsageError(f"Direct IO needs an access key: set {' and '.join(missing)}, or the _FILE of each.")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as display:
        task = display.add_task("Looking for files", total=None)

        def report(progress: MirrorProgress) -> None:
            display.update(
                task,
                description=f"{progress.done_files:,} of {progress.files:,} files",
                completed=progress.done_bytes,
                total=progress.bytes,
            )

        done = download(
            portal,
            lake,
            options["dest"],
            options["where"],
            access_key_id=str(keys["access_key_id"]),
            secret_access_key=str(keys["secret_access_key"]),
            verify=not options["insecure"],
            ca_file=options["ca_file"],
            progress=report,
        )
    for path, name in done.renamed.items():
        click.echo(visible(f"{path} is {name} here"), err=True)
    for failure in done.failures:
        click.echo(visible(f"{failure.path}: {failure.reason}"), err=True)
    click.echo(
        f"{count(done.downloaded, 'file')} downloaded ({done.downloaded_bytes:,} bytes), "
        f"{done.skipped:,} there already, {len(done.failures):,} failed"
    )
    if done.failures:
        context.exit(EXIT_FAILED)
