"""The command line: a thin face over the package.

Exit codes: 0 done, 1 failed, 2 usage, 3 login refused, 4 Portal unreachable, 5 store locked or fenced,
6 cursor refused, 7 store damaged, 10 alert fired. Results go to standard output, progress and errors to
standard error.
"""

from __future__ import annotations

import errno
import sys
import warnings
from typing import Final, NoReturn

import click

from ctera_insights import __version__
from ctera_insights.cli import collect, demo, download, enrich, insights, simulate, store, streams
from ctera_insights.cli.leaving import leave
from ctera_insights.errors import EXIT_FAILED, InsightsError
from ctera_insights.platforms import reader_is_gone

INTERRUPTED = 130
_CANNOT_BE_WRITTEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What writing to a stream fails with; files of a store that cannot be written have an error of their own."""


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
    streams.prepare()
    warnings.filterwarnings("ignore", message="The certificate of .* is not checked")  # the log says it, too
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
    except OSError as error:
        if reader_is_gone(error):
            streams.discard_output()
        elif error.filename is None and error.errno in _CANNOT_BE_WRITTEN:
            streams.discard_output()
            click.echo(f"Error: the output cannot be written: {error.strerror}.", err=True)
        else:
            raise
        code = EXIT_FAILED
    leave(code if isinstance(code, int) else 0)
