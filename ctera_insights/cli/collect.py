"""``collect``: drain a Portal into a lake."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from ctera_insights.cli.leaving import LATE_S, leave_late, run
from ctera_insights.cli.options import DATA, JSON, Number, count, lake_at, required
from ctera_insights.errors import UsageError
from ctera_insights.platforms import on_signals
from ctera_insights.settings import password

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctera_insights.activity import Summary
    from ctera_insights.collect import Progress
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
    type=Number(),
    metavar="SECONDS",
    help="End after so long; the Portal must have answered by then.",
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
    type=Number(),
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
@click.option(
    "--portal-moved",
    is_flag=True,
    help="The feed's Portal, or its user, has a new address or name; name the feed with --feed.",
)
@click.option(
    "--allow-overlap", is_flag=True, help="Begin a feed that brings some events of another one again."
)
@click.option("--no-enrich", is_flag=True, help="Leave deriving activity to `enrich`.")
@JSON
def collect(**options: Any) -> None:
    """Drain a Portal's file events into a lake, exactly once.

    Runs until caught up, or with --follow until stopped: Ctrl-C or SIGTERM commits what was read and ends
    with exit code 0, a second one stops at once. With --for, what was read by then is committed, and deriving
    and logout have 5 seconds more; a Portal that gave no answer at all is exit code 4. Without --follow and
    --for, one answer of the Portal is waited for 10 minutes at most.

    A feed remembers its Portal, context, tenant and cloud folders, and refuses others; a new feed that would
    bring events of another one again is refused, too.

    The password comes from CTERA_INSIGHTS_PASSWORD, CTERA_INSIGHTS_PASSWORD_FILE, the keyring, or a prompt.
    """
    portal, user = required("portal", options["portal"]), required("user", options["user"])
    if options["follow"] and options["seconds"]:
        raise UsageError("Give either --follow or --for, not both.")
    secret = password(user, url=portal, ask=sys.stdin.isatty())
    lake = lake_at(options["data"])
    started = time.monotonic()
    collected, derived = run(_collect(portal, user, secret, lake, options))
    _tell_of_nothing(collected, options["folders"])
    summarize(lake, collected, derived, time.monotonic() - started, as_json=options["as_json"])


def _tell_of_nothing(collected: Progress, folders: Sequence[int]) -> None:
    """A feed of cloud folders that no entry ever came of: the Portal says the same of ids that it has not."""
    place = collected.position
    if folders and collected.caught_up and place and not place.seq and not place.rejected:
        ids = ", ".join(map(str, folders))
        click.echo(
            f"The Portal told of nothing in cloud folder {ids}, of which it has told nothing before: an id "
            "that it does not know looks the same. Is it right?",
            err=True,
        )


async def _collect(
    portal: str, user: str, secret: Secret, lake: Lake, options: dict[str, Any]
) -> tuple[Progress, Summary | None]:
    with stopping(options["seconds"]) as stop:  # before what takes long to import
        from ctera_insights.collect import BatchLimits
        from ctera_insights.pipeline import collect_portal
        from ctera_insights.widgets.progress import progress_display

        with progress_display() as report:
            return await collect_portal(
                portal,
                lake,
                user=user,
                password=secret,
                context=options["context"],
                cloud_folders=options["folders"],
                follow=options["follow"] or None,
                seconds=options["seconds"],
                limits=BatchLimits(rows=options["batch_rows"], seconds=options["batch_seconds"]),
                ca_file=options["ca_file"],
                verify=not options["insecure"],
                resync=options["resync"],
                feed=options["feed"],
                portal_moved=options["portal_moved"],
                allow_overlap=options["allow_overlap"],
                enrich=not options["no_enrich"],
                progress=report,
                stop=stop,
            )


@contextlib.contextmanager
def stopping(seconds: float | None = None) -> Iterator[asyncio.Event]:
    """First SIGINT or SIGTERM: the event is set. Second: stop at once; the store takes no harm from it.

    Where that, or the deadline after ``seconds``, does not end the block in time, the process is left.
    """
    stop = asyncio.Event()
    timers = contextlib.ExitStack()

    def leave_in(delay_s: float) -> None:
        timer = threading.Timer(delay_s, leave_late)
        timer.daemon = True
        timer.start()
        timers.callback(timer.cancel)

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        click.echo("Committing what was read; once more stops at once.", err=True)
        stop.set()
        leave_in(LATE_S)

    if seconds is not None:
        leave_in(seconds + LATE_S)
    with timers, on_signals(on_signal):
        yield stop


def summarize(
    lake: Lake, collected: Progress, derived: Summary | None, seconds: float, *, as_json: bool = False
) -> None:
    """Say what a collection did."""
    if collected.behind_batches:
        click.echo(
            f"Activity is {count(collected.behind_batches, 'batch', 'batches')} "
            f"({count(collected.behind_events, 'event')}) behind; the next run, or `enrich`, derives them. "
            f"{collected.derive_trouble}".rstrip(),
            err=True,
        )
    if as_json:
        told = {
            "events": collected.committed,
            "batches": collected.batches,
            "quarantined": collected.quarantined,
            "phase": collected.phase,
            "caught_up": collected.caught_up,
            "enriched": derived.events if derived else 0,
            "seconds": round(seconds, 3),
        }
        click.echo(json.dumps(told))
        return
    click.echo(
        f"{count(collected.committed, 'event')} in {count(collected.batches, 'batch', 'batches')} "
        f"committed to {lake.uri} in {seconds:.1f} s"
        + (
            f"; {count(collected.quarantined, 'entry', 'entries')} quarantined"
            if collected.quarantined
            else ""
        )
        + ("; caught up." if collected.caught_up else ".")
    )
    if derived and derived.unknown:
        unknown = count(derived.unknown, "directory", "directories")
        click.echo(f"{unknown} could not be named: their paths begin with ?. {derived.trouble}".rstrip())
