"""Options that several commands share, with the defaults that the environment gives."""

from __future__ import annotations

import codecs
import contextlib
import math
import sys
from typing import IO, TYPE_CHECKING, Any, Final, cast

import click

from ctera_insights.errors import UsageError
from ctera_insights.lake import Lake
from ctera_insights.settings import PREFIX, setting
from ctera_insights.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA: Final = click.option(
    "--data", metavar="DIR", help="The lake: a directory, or s3://bucket/prefix.  [env: CTERA_INSIGHTS_DATA]"
)
_LARGEST: Final = 1e9
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Number(click.FloatRange):
    """A number within bounds: not ``nan``, which is within all, nor so large that no clock goes so far."""

    name = "number"

    def __init__(self, *, above_zero: bool = True) -> None:
        super().__init__(min=0, min_open=above_zero, max=_LARGEST)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or a usage error."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


def required(name: str, value: str | None) -> str:
    """An option's value, or that of its environment variable.

    Raises:
        UsageError: neither is given.
    """
    if (found := setting(name, value)) is None:
        raise UsageError(f"Which {name}? Give --{name}, or set {PREFIX}{name.upper()}.")
    return found


def lake_at(data: str | None) -> Lake:
    """The lake that ``--data`` names."""
    return Lake(required("data", data))


def bar(label: str) -> Any:
    """A progress callback for (done, total), shown on a terminal only."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(label, total=None)

    def report(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    return progress, report


def count(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun.

    >>> count(1, "batch", "batches"), count(2000, "event")
    ('1 batch', '2,000 events')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@contextlib.contextmanager
def standard_output() -> Iterator[IO[bytes]]:
    """Where data in UTF-8 goes: as it is into a pipe or a file, with nothing hidden in it onto a terminal."""
    if not sys.stdout.isatty():
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    yield cast("IO[bytes]", _Terminal())


class _Terminal:
    """Takes UTF-8, shows it."""

    closed = False

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        click.echo(visible(self._decoder.decode(bytes(data)), keep="\n"), nl=False)
        return len(data)

    def flush(self) -> None:
        sys.stdout.flush()
