"""Commands that answer questions: alerts and the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ctera_insights.cli.options import DATA, JSON, Number, lake_at, required
from ctera_insights.errors import InsightsError, WebhookFailed
from ctera_insights.settings import setting

if TYPE_CHECKING:
    from pathlib import Path

_SINCE = click.option("--since", metavar="WHEN", help="A date, a time, or an age such as 24h, 7d or 4w.")
_WATCH = click.option(
    "--since",
    metavar="WHEN",
    help="An age such as 1h or 7d: what was collected in it, whenever it happened, as a watch asks. "
    "A date or time: what happened from then on.",
)
_UNTIL = click.option("--until", metavar="WHEN", help="Likewise; itself not included.")
_TZ = click.option("--tz", default="UTC", show_default=True, metavar="ZONE", help="Time zone of local times.")
_SENSITIVITY = click.option(
    "--sensitivity",
    type=Number(),
    default=1.0,
    show_default=True,
    metavar="X",
    help="2 halves every threshold, 0.5 doubles it.",
)


@click.command()
@DATA
@_WATCH
@_UNTIL
@_TZ
@_SENSITIVITY
@click.option(
    "--webhook", metavar="URL", help="POST what fired or failed here.  [env: CTERA_INSIGHTS_WEBHOOK]"
)
@click.option(
    "--preview", is_flag=True, help="Only say how many alerts a month each sensitivity would raise."
)
@JSON
@click.pass_context
def alerts(
    context: click.Context,
    data: str | None,
    since: str | None,
    until: str | None,
    tz: str,
    sensitivity: float,
    webhook: str | None,
    preview: bool,
    as_json: bool,
) -> None:
    """Look for incidents: mass deletions, encryption, sudden growth.

    Exits 10 when something fired; otherwise 1 when a rule could not run, which is named, and 0 when nothing
    is there. An alert keeps its id from run to run, so that a receiver can drop what it knows. The text is
    fit for an e-mail. A webhook's signing key comes from CTERA_INSIGHTS_WEBHOOK_SECRET.
    """
    from ctera_insights import plain
    from ctera_insights.insights import Insights
    from ctera_insights.insights.webhook import post, receiver

    if address := setting("webhook", webhook):
        receiver(address)  # not found out when all is done
    with Insights(lake_at(data), tz=tz) as insights:
        if preview:
            previewed = insights.preview(since=since, until=until)
            told = previewed.df()
            records = json.dumps(told.to_dict("records"), indent=2)
            click.echo(records if as_json else told.to_string(index=False, float_format="{:,.2f}".format))
            if told["alerts"].isna().any():
                raise InsightsError(f"Not every rule could run: {previewed.note}")
            return
        found = insights.alerts(sensitivity=sensitivity, since=since, until=until)
    click.echo(found.to_json() if as_json else found.text())
    if address:
        try:
            plain.run(post(address, found, secret=setting("webhook_secret")))
        except WebhookFailed as error:
            if not found:
                raise
            click.echo(f"Error: {error}", err=True)  # that something fired counts for more
    context.exit(found.exit_code)


@click.command()
@DATA
@click.option("--to", type=click.Path(dir_okay=False), required=True, metavar="FILE", help="The HTML file.")
@_SINCE
@_UNTIL
@_TZ
@_SENSITIVITY
@click.option("--title", default="File activity report", show_default=True)
@click.option("--notebook", type=click.Path(exists=True, dir_okay=False), help="Another notebook than ours.")
@click.option("--keep", type=click.Path(dir_okay=False), help="Keep the executed notebook here.")
def report(
    data: str | None,
    to: Path,
    since: str | None,
    until: str | None,
    tz: str,
    sensitivity: float,
    title: str,
    notebook: str | None,
    keep: str | None,
) -> None:
    """Write a report as one self-contained HTML file."""
    from ctera_insights.insights.report import make_report

    store = required("data", data)
    written = make_report(
        store,
        to,
        since=since,
        until=until,
        tz=tz,
        title=title,
        sensitivity=sensitivity,
        notebook=notebook,
        keep=keep,
    )
    click.echo(f"Report written to {written}")


@click.command()
@DATA
@click.option("--port", type=click.IntRange(1, 65535), default=8866, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Interface to listen at.")
@click.option("--no-token", is_flag=True, help="Ask for no token; on the loopback interface only.")
@_TZ
def dashboard(data: str | None, port: int, host: str, no_token: bool, tz: str) -> None:
    """Serve the explorer as a web page, for those without notebooks.

    The address carries a token: CTERA_INSIGHTS_DASHBOARD_TOKEN, or a new one at every start.
    With `&theme=dark` after it, the page is dark.
    """
    from ctera_insights.insights.filters import zone
    from ctera_insights.widgets.dashboard import serve

    zone(tz)  # this, and a store that is not there, are told here, not to each visitor
    lake = lake_at(data)
    lake.events.delta()
    serve(lake.uri, port=port, host=host, token="" if no_token else setting("dashboard_token"), tz=tz)
