"""Commands on a lake: what it holds, SQL over it, its upkeep."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ctera_insights.cli.options import DATA, JSON, Number, bar, count, lake_at, standard_output
from ctera_insights.cli.streams import takes_any_text
from ctera_insights.errors import EXIT_STORE_DAMAGED, UsageError
from ctera_insights.lake import KEEP_REPLACED_HOURS, maintain, overlaps
from ctera_insights.lake.lost import refuse_partial_log
from ctera_insights.text import to_seconds, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from ctera_insights.insights import Result

_COMMENT: Final = re.compile(r"--[^=\s]*\s")
"""Two dashes, then white space before any value: no option."""


@click.command()
@DATA
@JSON
def status(data: str | None, as_json: bool) -> None:
    """Say what a lake holds and where its feeds stand."""
    from ctera_insights.activity.behind import Behind, behind, failure

    lake = lake_at(data)
    found = lake.status()
    lags = behind(lake, [feed.feed for feed in found.feeds])
    in_all = sum(lags.values(), Behind())
    failing = failure(lake) if in_all.batches else None
    told: dict[str, Any] = {
        "events": found.events,
        "batches": found.batches,
        "quarantined": found.quarantined,
        "cursor_sha256": found.cursor_sha256,
        "last_commit_at": _iso(found.last_commit_at),
        "lag_s": found.lag_s,
        "bytes": found.bytes,
        "files": found.files,
        "deriving": {
            "behind_batches": in_all.batches,
            "behind_events": in_all.events,
            "error": failing.error if failing else None,
            "failing_since": _iso(failing.since) if failing else None,
            "failed_at": _iso(failing.at) if failing else None,
        },
        "feeds": [
            {
                "feed": feed.feed,
                "batches": feed.position.batch,
                "events": feed.position.seq,
                "epoch": feed.position.epoch,
                "phase": feed.position.phase,
                "cursor_sha256": feed.cursor_sha256,
                "last_commit_at": _iso(feed.position.committed_at),
                "lag_s": feed.position.lag_s,
                "behind_batches": lags[feed.feed].batches,
                "behind_events": lags[feed.feed].events,
            }
            for feed in found.feeds
        ],
    }
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    from ctera_insights.widgets.progress import lag_words

    click.echo(
        f"{count(found.events, 'event')} in {count(found.batches, 'batch', 'batches')}, "
        f"{_size(found.bytes)} in {count(found.files, 'file')}"
    )
    if found.quarantined:
        click.echo(f"{count(found.quarantined, 'entry', 'entries')} quarantined: see the view `quarantine`")
    for feed in found.feeds:
        position = feed.position
        line = f"{visible(feed.feed)}: {position.seq:,} events, {position.phase}"
        if position.epoch > 1:
            line += f", epoch {position.epoch}"
        if position.committed_at:
            line += f", last commit {to_seconds(position.committed_at)} UTC"
        if position.lag_s is not None:
            line += f", {lag_words(position.lag_s, 'after the newest change')}"
        lag = lags[feed.feed]
        if lag.batches:
            batches = count(lag.batches, "batch", "batches")
            line += f"; activity is {batches} ({count(lag.events, 'event')}) behind"
        click.echo(line)
    if failing:
        click.echo(
            f"Deriving fails since {to_seconds(failing.since)} UTC, last at {failing.at:%H:%M:%S}: "
            f"{visible(failing.error)}"
        )


class _Queried(click.Command):
    """A command whose argument may begin with a comment of SQL, which looks like an option."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(context, [f" {arg}" if _COMMENT.match(arg) else arg for arg in args])


@click.command(cls=_Queried)
@DATA
@click.argument("query")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "arrow"]),
    default="table",
    show_default=True,
    help="json: one array of objects; arrow: an Arrow IPC stream.",
)
@click.option(
    "--to",
    type=click.Path(),
    metavar="FILE",
    help="Write a file instead: .csv, .xlsx, .parquet, .json or .jsonl. No text in it runs as a formula.",
)
@click.option("--raw-csv", is_flag=True, help="With --to FILE.csv: leave texts that a spreadsheet would run.")
def sql(data: str | None, query: str, form: str, to: str | None, raw_csv: bool) -> None:
    """Run one DuckDB QUERY over the views activity, objects, folders, events, batches and quarantine.

    What goes to standard output as csv, json or arrow is data, as it was collected.

    \b
    Example:
      ctera-insights sql --data DIR "SELECT type, count(*) FROM events GROUP BY type"
    """
    from ctera_insights.insights import Insights
    from ctera_insights.insights.export import ready, write

    if to is not None:
        ready(to)
    with Insights(lake_at(data)) as insights:
        result = insights.sql(query)
        if insights.lacks:
            click.echo(f"Note: {visible(insights.lacks)}", err=True)
        if to is None:
            _print(result, form)
        else:
            click.echo(f"Written to {visible(str(write(result.arrow(), to, inert=not raw_csv)))}")


def _print(result: Result, form: str) -> None:
    if form == "table":
        click.echo(result.box(), nl=False)
        return
    schema, batches = result.stream()
    if form == "arrow":
        _print_arrow(schema, batches)
        return
    from ctera_insights.insights.export import write_csv, write_json

    with standard_output() as sink:
        if form == "csv":
            write_csv(schema, batches, sink)
        else:
            write_json(batches, sink, ascii_only=not takes_any_text(sys.stdout))


def _print_arrow(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    import pyarrow as pa

    from ctera_insights.insights.conversion import has_sums, settled

    if has_sums(schema):
        table = settled(pa.Table.from_batches(batches, schema))
        schema, batches = table.schema, iter(table.to_batches())
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as stream:
        for batch in batches:
            stream.write_batch(batch)


def _iso(value: Any) -> str | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat().replace("+00:00", "Z")
    return None if value is None else str(value.isoformat())


@click.command()
@DATA
def views(data: str | None) -> None:
    """Print CREATE VIEW statements for a plain duckdb shell.

    \b
    Example:
      ctera-insights views --data DIR > views.sql && duckdb -init views.sql
    """
    from ctera_insights.insights.views import statements

    click.echo(statements(lake_at(data)))


@click.command()
@DATA
@click.option(
    "--keep-replaced",
    "hours",
    type=Number(above_zero=False),
    default=KEEP_REPLACED_HOURS,
    show_default=True,
    metavar="HOURS",
    help="How long replaced files stay for readers of older snapshots.",
)
def optimize(data: str | None, hours: float) -> None:
    """Merge small files, and remove what was replaced."""
    from ctera_insights.activity import maintain_derived

    lake = lake_at(data)
    lake.events.delta()
    refuse_partial_log(lake)
    done = {
        table.name: maintain(table, everything=True, keep_replaced_hours=hours) for table in lake.raw_tables()
    }
    done["activity, objects, folders"] = maintain_derived(lake, everything=True, keep_replaced_hours=hours)
    for name, work in done.items():
        click.echo(
            f"{name}: {count(work.merged, 'file')} merged into {work.into:,}, {work.removed:,} removed"
        )


@click.command()
@DATA
@JSON
@click.option(
    "--repair",
    "mend",
    is_flag=True,
    help="Build lost or partial logs of raw tables anew from their files first; deletes nothing.",
)
@click.option(
    "--leave-out-damaged",
    is_flag=True,
    help="With --repair: give up damaged files that nothing replaces; they are kept aside.",
)
@click.pass_context
def check(
    context: click.Context, data: str | None, as_json: bool, mend: bool, leave_out_damaged: bool
) -> None:
    """Read every byte and hold it against the log; exits 7 when something contradicts it.

    What is wrong with activity, objects or folders alone is put right by `enrich --rebuild`. Feeds that bring
    the same events are noted; that is no damage.
    """
    from ctera_insights.activity import check_derived, repair

    if leave_out_damaged and not mend:
        raise UsageError("--leave-out-damaged belongs to --repair.")
    lake = lake_at(data)
    done: list[str] = []
    notes: list[str] = []
    if mend:
        progress, report = bar("Repairing")
        with progress:
            done = repair(lake, report, leave_out_damaged=leave_out_damaged)
        if not as_json:
            click.echo("\n".join(done) if done else "There was nothing to repair.")
    progress, report = bar("Checking")
    with progress:
        findings = lake.check(report, notes.append)
        findings += check_derived(lake, report, notes.append, raw_is_sound=not findings)
    if not findings:
        notes += overlaps(lake)
    if as_json:
        told = [{"where": finding.where, "what": finding.what} for finding in findings]
        click.echo(json.dumps({"findings": told, "notes": notes, "repaired": done}, indent=2))
    for line in () if as_json else (*findings, *(f"Note: {note}" for note in notes)):
        click.echo(visible(str(line)))
    if findings:
        click.echo(f"{count(len(findings), 'finding')}. The store at {lake.uri} is damaged.", err=True)
        context.exit(EXIT_STORE_DAMAGED)
    if not as_json:
        click.echo("The store is sound: each event is there once, and the cursor can be read.")


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
