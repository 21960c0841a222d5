"""How a collection stands: a live line on a terminal, lines in a log, a bar in a notebook."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Final

from ctera_insights.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from ctera_insights.collect import Progress

    Report = Callable[[Progress], None]

CLOCKS_AGREE_S: Final = 2.0
"""Clocks that differ by less are taken to agree: the Portal's times may be whole seconds."""
_LINES: Final = "\n"
LINE_EVERY_S: Final = 5.0
"""Seconds between lines where nobody can redraw."""


@contextlib.contextmanager
def progress_display(stream: TextIO | None = None) -> Iterator[Report]:
    """Show a collection's progress while the block runs.

    Args:
        stream: where to, by default standard error. A terminal gets one live line, any other stream a line
            every few seconds; inside Jupyter, with no stream given, a tqdm bar is shown.

    Example:
        >>> with progress_display() as report:  # doctest: +SKIP
        ...     await Collector(admin.notifications, lake, "example", progress=report).run()
    """
    if stream is None and in_notebook():
        display = _notebook()
    elif (stream := stream or sys.stderr).isatty():
        display = _terminal(stream)
    else:
        display = _lines(stream)
    with display as report:
        yield report


def in_notebook() -> bool:
    """Whether the code runs in a Jupyter kernel."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


def describe(progress: Progress) -> str:
    """One line for people.

    >>> from ctera_insights.collect import Progress
    >>> describe(Progress(events=12_000, committed=10_000, batches=2, rate=4000.0))
    'baseline: 12,000 events read, 4,000/s; 10,000 committed in 2 batches'
    """
    text = f"{progress.phase}: {progress.events:,} events read"
    if progress.rate:
        text += f", {progress.rate:,.0f}/s"
    text += f"; {progress.committed:,} committed in {progress.batches:,} batches"
    if progress.last_commit_at and progress.batches:
        text += f", last at {progress.last_commit_at:%H:%M:%S} UTC"
    if progress.lag_s is not None and progress.phase == "live":
        text += f", {lag_words(progress.lag_s)}"
    if progress.caught_up:
        text += "; caught up"
    if progress.quarantined:
        text += f"; {progress.quarantined:,} quarantined"
    if progress.behind_batches and progress.derive_trouble:
        text += f"; activity {progress.behind_batches:,} batches ({progress.behind_events:,} events) behind"
    return text


def lag_words(lag_s: float, behind: str = "behind") -> str:
    """A lag in words. One below zero tells of clocks: up to two seconds of that is no news.

    >>> lag_words(75), lag_words(-0.4), lag_words(-18_000)
    ('1 min 15 s behind', '0.0 s behind', "the Portal's clock is 5 h 0 min ahead of this one")
    """
    if lag_s < -CLOCKS_AGREE_S:
        return f"the Portal's clock is {duration(-lag_s)} ahead of this one"
    return f"{duration(max(lag_s, 0.0))} {behind}"


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use.

    >>> duration(0.26), duration(75), duration(7300), duration(400_000)
    ('0.3 s', '1 min 15 s', '2 h 1 min', '4 d 15 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    for large, small, size, unit in (("min", "s", 60, 1), ("h", "min", 3600, 60), ("d", "h", 86400, 3600)):
        if seconds < size * {"min": 60, "h": 24, "d": 1e9}[large]:
            return f"{int(seconds // size)} {large} {int(seconds % size // unit)} {small}"
    raise ValueError(f"not a duration: {seconds}")


@contextlib.contextmanager
def _terminal(stream: TextIO) -> Iterator[Report]:
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots")
    with Live(spinner, console=Console(file=stream), refresh_per_second=8, transient=False) as live:

        def report(progress: Progress) -> None:
            text = Text(describe(progress))
            if progress.trouble:
                text.append(f"\n{visible(progress.trouble, keep=_LINES)}", style="yellow")
            if progress.derive_trouble:
                text.append(f"\n{visible(progress.derive_trouble, keep=_LINES)}", style="yellow")
            spinner.update(text=text)

        yield report
        live.update(spinner.text)


@contextlib.contextmanager
def _lines(stream: TextIO) -> Iterator[Report]:
    """Troubles are left to the log, which tells of each on the same stream."""
    last_at, last = 0.0, ""

    def report(progress: Progress) -> None:
        nonlocal last_at, last
        now = time.monotonic()
        pending = describe(progress)
        if progress.events and now - last_at >= LINE_EVERY_S and pending != last:
            print(pending, file=stream, flush=True)
            last_at = now
            last = pending

    yield report


@contextlib.contextmanager
def _notebook() -> Iterator[Report]:
    from tqdm.auto import tqdm

    with tqdm(unit=" events", unit_scale=True) as bar:

        def report(progress: Progress) -> None:
            bar.update(progress.events - bar.n)
            bar.set_description_str(progress.phase, refresh=False)
            trouble = visible(progress.trouble or progress.derive_trouble)
            bar.set_postfix_str(trouble or describe(progress).partition("; ")[2])

        yield report
