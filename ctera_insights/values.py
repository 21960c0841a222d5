"""What a column can hold, one value of the wire at a time. What it cannot hold is kept elsewhere, as it came.

Columns of time hold the years 1 to 9999 in UTC, by the microsecond: what Python, Delta statistics and every
reader agree on. Columns of numbers hold 64 bits.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

EARLIEST_US: Final = -62_135_596_800_000_000
"""0001-01-01 00:00:00 UTC in microseconds since 1970."""
LATEST_US: Final = 253_402_300_799_999_999
"""9999-12-31 23:59:59.999999 UTC, likewise."""
INT64: Final = range(-(2**63), 2**63)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE_YEARS: Final = 400
_CYCLE: Final = timedelta(days=146_097)
"""So many days have 400 years: a stand-in for the year 0, which Python does not know and a zone may leave."""
_MOMENT: Final = re.compile(
    r"""
    (\d{4}) (-)? (\d\d) (?(2)-) (\d\d)                           # 2026-11-24, or 20261124 before a T
    (?: (?(2)[T ]|T) (\d\d) (?: (?(2):) (\d\d) (?: (?(2):) (\d\d) (?: \.(\d+) )? )? )?
        ( Z | [+-]\d\d (?: :?\d\d )? )? )?
    """,
    re.ASCII | re.VERBOSE,
)
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")


class Moment(NamedTuple):
    """A text read as a time.

    Attributes:
        time: in UTC, or ``None`` when the text is no time that a column can hold.
        exact: whether ``time`` tells all that the text says.
    """

    time: datetime | None
    exact: bool


def moment(text: str) -> Moment:
    """Read an ISO 8601 time: the one place where it is decided what is a time.

    The extended format to the day, hour, minute, second or a fraction of it, with ``T`` or a space; the basic
    format with ``T``; a zone as ``Z``, ``±hh``, ``±hhmm`` or ``±hh:mm``, and UTC where there is none.
    Anything else is no time: a number of milliseconds, a week date, ``24:00``, a leap second, a comma, lower
    case.

    Source: ISO 8601-1:2019, 5.4.2; RFC 3339, 5.6.

    >>> moment("2026-11-24T10:20:25.5+02:00").time
    datetime.datetime(2026, 11, 24, 8, 20, 25, 500000, tzinfo=datetime.timezone.utc)
    >>> moment("1712101500000")
    Moment(time=None, exact=False)
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        return Moment(None, exact=False)
    year, dash, month, day, hour, minute, second, fraction, zone = found.groups()
    if dash is None and hour is None:  # eight digits are a number
        return Moment(None, exact=False)
    fraction = fraction or ""
    try:
        local = datetime(
            int(year) or _CYCLE_YEARS,
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(fraction[:6].ljust(6, "0")),
            tzinfo=UTC,
        )
        since = local - _EPOCH - _offset(zone) - (timedelta() if int(year) else _CYCLE)
    except ValueError:
        return Moment(None, exact=False)
    time = from_micros(since // timedelta(microseconds=1))
    return Moment(time, exact=time is not None and not fraction[6:].strip("0"))


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError("no place is so far away")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset


def from_micros(micros: int | None) -> datetime | None:
    """Microseconds since 1970 as a time in UTC; ``None`` beyond what a column can hold.

    >>> from_micros(EARLIEST_US)
    datetime.datetime(1, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    >>> from_micros(LATEST_US + 1) is None
    True
    """
    if micros is None or not EARLIEST_US <= micros <= LATEST_US:
        return None
    return _EPOCH + timedelta(microseconds=micros)


def whole_number(text: str) -> int | None:
    """The number that a text writes in the usual way and 64 bits can hold, else ``None``.

    >>> whole_number("-12"), whole_number("--5"), whole_number("5_000"), whole_number("007")
    (-12, None, None, None)
    """
    if _WHOLE.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number in INT64 else None
