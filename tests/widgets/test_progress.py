from __future__ import annotations

import io
from datetime import UTC, datetime

from ctera_insights.collect import Progress
from ctera_insights.lake import Position
from ctera_insights.widgets.progress import describe, progress_display

AT = datetime(2026, 11, 24, 8, 20, 25, tzinfo=UTC)


def test_a_log_gets_a_line_now_and_then() -> None:
    """Not a line for every page: a cron job's mail stays readable. The log tells of troubles."""
    stream = io.StringIO()
    with progress_display(stream) as report:
        for events in range(0, 50_000, 2000):
            report(Progress(events=events))
        for _ in range(3):
            report(Progress(events=50_000, trouble="The Portal answered 503. Trying again in 2 s."))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert "2,000 events read" in lines[0]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_lives() -> None:
    stream = Terminal()
    with progress_display(stream) as report:
        report(Progress(events=2000))
        report(Progress(events=4000, trouble="The Portal hung up."))
    assert "4,000 events read" in stream.getvalue()
    assert "hung up" in stream.getvalue()


def test_it_says_what_a_person_wants_to_know() -> None:
    progress = Progress(
        events=12_000,
        committed=12_000,
        quarantined=2,
        batches=3,
        phase="live",
        caught_up=True,
        position=Position(committed_at=AT, lag_s=75),
    )
    assert describe(progress) == (
        "live: 12,000 events read; 12,000 committed in 3 batches, last at 08:20:25 UTC, 1 min 15 s behind; "
        "caught up; 2 quarantined"
    )
