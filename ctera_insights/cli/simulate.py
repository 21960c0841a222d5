"""``simulate``: a Portal for those who have none at hand."""

from __future__ import annotations

import asyncio
import errno
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctera_insights.cli.options import Number
from ctera_insights.errors import UsageError
from ctera_insights.settings import PREFIX, setting

if TYPE_CHECKING:
    from ctera_insights.simulator import SimulatedPortal, Source


@click.command()
@click.option(
    "--from-dir",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Serve a directory, live.",
)
@click.option(
    "--from-git", type=click.Path(exists=True), metavar="REPO", help="Replay a git repository's history."
)
@click.option(
    "--scenario",
    metavar="NAME",
    help="Generate office life: office, quiet, ransomware, mass-deletion, growth, tiny.  [default: office]",
)
@click.option(
    "--events", type=click.IntRange(min=200), metavar="N", help="About so many events in the scenario."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the scenario and of faults.")
@click.option(
    "--speed",
    type=Number(),
    metavar="X",
    help="Let history happen X times as fast as it did, rather than at once.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen at; 0 takes a free one."
)
@click.option("--https", is_flag=True, help="Listen with TLS and a certificate of its own authority.")
@click.option("--user", default="admin", show_default=True, help="Name of the one user.")
@click.option(
    "--faults",
    metavar="LIST",
    default="",
    help="What goes wrong, e.g. status:503:0.05,reset:0.02,kill-session:every=20.",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Written as JSON (url, pid, ca_file) once it listens.",
)
def simulate(**options: Any) -> None:
    """Run a simulated Portal until stopped.

    The user's password is CTERA_INSIGHTS_PASSWORD (or its _FILE); without one, a random one is printed. The
    key of Direct IO is CTERA_INSIGHTS_ACCESS_KEY_ID with CTERA_INSIGHTS_SECRET_ACCESS_KEY, which is base64;
    without them, an example's is taken and printed.
    """
    from ctera_insights.simulator.directio import DirectIOSettings
    from ctera_insights.simulator.faults import Faults
    from ctera_insights.simulator.standalone import serve

    try:
        faults = Faults.parse(options["faults"], seed=options["seed"])
    except ValueError as error:
        raise UsageError(f"--faults: {error}") from None
    chosen = setting("password")
    directio = DirectIOSettings(keys=key) if (key := _access_key()) else DirectIOSettings()
    source = _source(options)

    def announce(portal: SimulatedPortal) -> None:
        click.echo(f"Serving {source.name} at {portal.url}, user {portal.user}. Ctrl-C ends it.", err=True)
        if chosen is None:
            click.echo(f"Password: {portal.password}  (set {PREFIX}PASSWORD to choose it)", err=True)
        for name, secret in () if key else directio.keys.items():
            click.echo(f"Direct IO: {PREFIX}ACCESS_KEY_ID={name}", err=True)
            click.echo(f"           {PREFIX}SECRET_ACCESS_KEY={secret}", err=True)
        if portal.ca_file:
            click.echo(f"Certificate authority: {portal.ca_file}", err=True)

    try:
        asyncio.run(
            serve(
                source,
                user=options["user"],
                password=chosen,
                host=options["host"],
                port=options["port"],
                https=options["https"],
                faults=faults,
                directio=directio,
                speed=options["speed"],
                ready_file=options["ready_file"],
                on_ready=announce,
            )
        )
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}:
            raise
        raise UsageError(f"Cannot listen at {options['host']}:{options['port']}: {error}") from None


def _access_key() -> dict[str, str]:
    name, secret = setting("access_key_id"), setting("secret_access_key")
    if not name or not secret:
        return {}
    try:
        b64decode(secret, validate=True)
    except ValueError:
        raise UsageError(
            f"{PREFIX}SECRET_ACCESS_KEY is not base64, as a Portal's is: `openssl rand -base64 32` makes one."
        ) from None
    return {name: secret}


def _source(options: dict[str, Any]) -> Source:
    given = [name for name in ("from_dir", "from_git", "scenario") if options[name]]
    if len(given) > 1:
        raise UsageError("Give one of --from-dir, --from-git and --scenario.")
    if options["from_dir"]:
        from ctera_insights.simulator.sources.directory import DirectorySource

        return DirectorySource(options["from_dir"])
    if options["from_git"]:
        from ctera_insights.simulator.sources.git import GitSource

        return GitSource(options["from_git"])
    from ctera_insights.simulator.sources.scenario import ScenarioSource

    return ScenarioSource(options["scenario"] or "office", seed=options["seed"], events=options["events"])
