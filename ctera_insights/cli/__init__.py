"""The command line: a thin face over the package.

Exit codes: 0 done, 1 failed, 2 usage, 3 login refused, 4 Portal unreachable, 5 store locked or fenced,
6 cursor refused, 7 store damaged, 10 alert fired. Results go to standard output, progress and errors to
standard error.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from ctera_insights import __version__
from ctera_insights.cli import collect, demo, download, enrich, insights, simulate, store
from ctera_insights.errors import EXIT_FAILED, InsightsError

INTERRUPTED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 login refused, 4 Portal unreachable, 5 store locked or "
    "fenced, 6 cursor refused, 7 store damaged, 10 alert fired.",
)
@click.version_option(__version__, prog_name="ctera-insights")
def cli() -> None:
    """File activity of a CTERA Portal: collected exactly once, kept as open tables, explored in Jupyter."""


for command in (
    demo.demo,
    simulate.simulate,
    collect.collect,
    enrich.enrich,
    store.status,
    store.sql,
    store.views,
    store.optimize,
    store.check,
    insights.alerts,
    insights.report,
    insights.dashboard,
    download.download,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        code = cli.main(prog_name="ctera-insights", standalone_mode=False)
        sys.stdout.flush()
    except InsightsError as error:
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away; keep the interpreter from saying so again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    sys.exit(code if isinstance(code, int) else 0)
