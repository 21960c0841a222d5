"""Commands on a lake: what it holds, SQL over it, its upkeep."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from ctera_insights.cli.options import DATA, JSON, bar, count, lake_at
from ctera_insights.errors import EXIT_STORE_DAMAGED, QueryFailed
from ctera_insights.lake import KEEP_REPLACED_HOURS, maintain

if TYPE_CHECKING:
    import duckdb


@click.command()
@DATA
@JSON
def status(data: str | None, as_json: bool) -> None:
    """Say what a lake holds and where its feeds stand."""
    lake = lake_at(data)
    found = lake.status()
    told: dict[str, Any] = {
        "events": found.events,
        "batches": found.batches,
        "quarantined": found.quarantined,
        "cursor_sha256": found.cursor_sha256,
        "last_commit_at": _iso(found.last_commit_at),
        "lag_s": found.lag_s,
        "bytes": found.bytes,
        "files": found.files,
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
            }
            for feed in found.feeds
        ],
    }
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    from ctera_insights.widgets.progress import duration

    click.echo(
        f"{count(found.events, 'event')} in {count(found.batches, 'batch', 'batches')}, "
        f"{_size(found.bytes)} in {count(found.files, 'file')}"
    )
    if found.quarantined:
        click.echo(f"{count(found.quarantined, 'entry', 'entries')} quarantined: see the view `quarantine`")
    for feed in found.feeds:
        position = feed.position
        line = f"{feed.feed}: {position.seq:,} events, {position.phase}"
        if position.epoch > 1:
            line += f", epoch {position.epoch}"
        if position.committed_at:
            line += f", last commit {position.committed_at:%Y-%m-%d %H:%M:%S} UTC"
        if position.lag_s is not None:
            line += f", {duration(position.lag_s)} behind the Portal then"
        click.echo(line)


@click.command()
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
def sql(data: str | None, query: str, form: str) -> None:
    """Run a DuckDB QUERY over the views events, batches and quarantine.

    \b
    Example:
      ctera-insights sql --data DIR "SELECT type, count(*) FROM events GROUP BY type"
    """
    import duckdb

    from ctera_insights.insights.views import connect

    with connect(lake_at(data)) as connection:
        try:
            relation = connection.sql(query)
            if relation is not None:
                _print(relation, form)
        except duckdb.Error as error:
            hints = f"The views are: {_views(connection)}."
            if isinstance(error, duckdb.ParserException) and re.search(
                r'(?<!")\bat\b(?!")', query, re.IGNORECASE
            ):
                hints += ' The column "at" must be quoted: AT is a word of DuckDB\'s own SQL.'
            raise QueryFailed(f"{error}\n{hints}") from None


def _views(connection: duckdb.DuckDBPyConnection) -> str:
    rows = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall()
    return ", ".join(name for (name,) in rows)


def _print(relation: duckdb.DuckDBPyRelation, form: str) -> None:
    if form == "table":
        click.echo(str(relation), nl=False)
        return
    if form == "arrow":
        import pyarrow as pa

        reader = relation.to_arrow_reader()
        with pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as stream:
            for batch in reader:
                stream.write_batch(batch)
        return
    if form == "csv":
        import pyarrow.csv as pcsv

        reader = relation.to_arrow_reader()
        with pcsv.CSVWriter(sys.stdout.buffer, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        return
    click.echo("[", nl=False)
    separator = "\n"
    for batch in relation.to_arrow_reader():
        for row in batch.to_pylist():
            click.echo(separator + json.dumps(row, default=_plain, ensure_ascii=False), nl=False)
            separator = ",\n"
    click.echo("\n]")


def _plain(value: Any) -> Any:
    """A value that JSON has no word for: times in ISO 8601, bytes as text or hexadecimal."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return _iso(value) if hasattr(value, "isoformat") else str(value)


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
    type=click.FloatRange(min=0),
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
@click.pass_context
def check(context: click.Context, data: str | None) -> None:
    """Read every file and hold it against the log; exits 7 when something contradicts it.

    What is wrong with activity, objects or folders alone is put right by `enrich --rebuild`.
    """
    from ctera_insights.activity import check_derived

    lake = lake_at(data)
    progress, report = bar("Checking")
    with progress:
        findings = lake.check(report) or check_derived(lake)
    for finding in findings:
        click.echo(str(finding))
    if findings:
        click.echo(f"{len(findings)} findings. The store at {lake.uri} is damaged.", err=True)
        context.exit(EXIT_STORE_DAMAGED)
    click.echo("The store is sound: each event is there once, and the cursor can be read.")


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
