"""``collect``: drain a Portal into a lake."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from ctera_insights.cli.options import DATA, JSON, lake_at, required
from ctera_insights.errors import UsageError
from ctera_insights.settings import password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctera_insights.collect import Collector, Progress
    from ctera_insights.lake import Lake
    from ctera_insights.settings import Secret


@click.command()
@click.option("--portal", metavar="URL", help="The Portal: host or URL.  [env: CTERA_INSIGHTS_PORTAL]")
@click.option("--user", metavar="NAME", help="User name.  [env: CTERA_INSIGHTS_USER]")
@DATA
@click.option("--context", type=click.Choice(["admin", "ServicesPortal"]), default="admin", show_default=True)
@click.option("--follow", is_flag=True, help="Go on when caught up, until stopped.")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop after so long.",
)
@click.option(
    "--cloud-folder",
    "folders",
    type=int,
    multiple=True,
    metavar="ID",
    help="Only this cloud folder; may be repeated.",
)
@click.option(
    "--batch-rows",
    type=click.IntRange(min=1),
    metavar="N",
    default=100_000,
    show_default=True,
    help="Seal a batch at so many events.",
)
@click.option(
    "--batch-seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    default=10.0,
    show_default=True,
    help="Seal a batch at this age.",
)
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False), help="Trust the authorities in this PEM file."
)
@click.option(
    "--insecure", is_flag=True, help="Accept any certificate: whoever sits in between can read the password."
)
@click.option("--resync", is_flag=True, help="Begin a new baseline, e.g. when the Portal refuses the cursor.")
@click.option(
    "--feed", metavar="NAME", help="Name of the stream; by default Portal, context and cloud folders."
)
@JSON
def collect(**options: Any) -> None:
    """Drain a Portal's file events into a lake, exactly once.

    Runs until caught up, or with --follow until stopped: Ctrl-C commits what was read and ends, a second one
    stops at once. The password comes from CTERA_INSIGHTS_PASSWORD, CTERA_INSIGHTS_PASSWORD_FILE, the keyring,
    or a prompt.
    """
    portal, user = required("portal", options["portal"]), required("user", options["user"])
    if options["follow"] and options["seconds"]:
        raise UsageError("Give either --follow or --for, not both.")
    secret = password(user, url=portal, ask=sys.stdin.isatty())
    lake = lake_at(options["data"])
    started = time.monotonic()
    final = asyncio.run(_collect(portal, user, secret, lake, options))
    summarize(lake, final, time.monotonic() - started, as_json=options["as_json"])


async def _collect(portal: str, user: str, secret: Secret, lake: Lake, options: dict[str, Any]) -> Progress:
    from ctera_insights.collect import BatchLimits, Collector, feed_name
    from ctera_insights.portal import AsyncGlobalAdmin, AsyncServicesPortal, RetryPolicy
    from ctera_insights.widgets.progress import progress_display

    kind = AsyncGlobalAdmin if options["context"] == "admin" else AsyncServicesPortal
    endless = options["follow"] or options["seconds"] is not None
    collector: Collector | None = None

    def on_retry(error: Exception, wait_s: float) -> None:
        if collector:
            collector.trouble(error, wait_s)

    async with kind(
        portal,
        verify=not options["insecure"],
        ca_file=options["ca_file"],
        retries=RetryPolicy.forever() if endless else RetryPolicy(),
        on_retry=on_retry,
    ) as client:
        await client.login(user, secret)
        with progress_display() as report:
            collector = Collector(
                client.notifications,
                lake,
                options["feed"] or feed_name(client.url, options["context"], options["folders"]),
                folder_ids=options["folders"],
                limits=BatchLimits(rows=options["batch_rows"], seconds=options["batch_seconds"]),
                follow=options["follow"],
                deadline_s=options["seconds"],
                resync=options["resync"],
                progress=report,
            )
            with stopping(collector):
                final = await collector.run()
        with contextlib.suppress(Exception):  # the data is safe, and the session ends by itself
            await client.logout()
    return final


@contextlib.contextmanager
def stopping(collector: Collector) -> Iterator[None]:
    """First SIGINT or SIGTERM: commit and end. Second: stop at once; the store takes no harm from it."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    seen = 0

    def on_signal(number: int) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            os._exit(128 + number)
        click.echo("Committing what was read; once more stops at once.", err=True)
        collector.stop()

    for number in signals:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def summarize(lake: Lake, final: Progress, seconds: float, *, as_json: bool = False) -> None:
    """Say what a collection did."""
    if as_json:
        told = {
            "events": final.committed,
            "batches": final.batches,
            "quarantined": final.quarantined,
            "phase": final.phase,
            "caught_up": final.caught_up,
            "seconds": round(seconds, 3),
        }
        click.echo(json.dumps(told))
        return
    click.echo(
        f"{final.committed:,} events in {final.batches:,} batches committed to {lake.uri} in {seconds:.1f} s"
        + (f"; {final.quarantined:,} entries quarantined" if final.quarantined else "")
        + ("; caught up." if final.caught_up else ".")
    )
