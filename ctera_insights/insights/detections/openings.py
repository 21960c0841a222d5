"""Which changes of permissions open something, and which nobody can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import InsightsError
from ctera_insights.insights.alerts import Failure, Unreadable
from ctera_insights.insights.detections.hours import query
from ctera_insights.insights.sddl import difference

if TYPE_CHECKING:
    from datetime import datetime

    from ctera_insights.insights.filters import Filters
    from ctera_insights.insights.insights import Insights

_KEY: Final = "md5(strlen(acl) || ' ' || acl || old_acl)"
_SAMPLES: Final = 3


@dataclass(slots=True)
class Openings:
    """Keys of pairs of descriptors, as ``hourly.sql`` and the rule's condition make them."""

    opening: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Why a pair cannot be read, by its key."""


def openings(insights: Insights, filters: Filters) -> Openings:
    """Sort the pairs of descriptors that followed one another on an object."""
    found = Openings()
    pairs = query(
        insights,
        "SELECT DISTINCT acl, old_acl FROM history WHERE phase = 'live' AND acl_changed",
        filters,
        {},
    )
    for new, old in zip(pairs["acl"].to_pylist(), pairs["old_acl"].to_pylist(), strict=True):
        changed = difference(old, new)
        if changed.opened_to:
            found.opening.append(_key(new, old))
        elif changed.unreadable:
            found.unreadable[_key(new, old)] = changed.unreadable
    return found


def openings_or_failure(insights: Insights, filters: Filters) -> tuple[Openings, list[Failure]]:
    """The same; where it fails, only the rule on permissions fails."""
    try:
        return openings(insights, filters), []
    except InsightsError as error:
        return Openings(), [Failure.of("permission_opening", error)]


def unreadable(
    insights: Insights, filters: Filters, found: Openings, collected_since: datetime | None
) -> Unreadable | None:
    """The changes in the period that nobody can read."""
    if not found.unreadable:
        return None
    narrower = "".join(
        condition
        for condition, given in (
            (' AND "at" >= $since_or_null', filters.since),
            (" AND collected_at >= $collected_since", collected_since),
        )
        if given
    )
    row = query(
        insights,
        f"""SELECT count(*) AS changes, arg_max({_KEY}, "at") AS key,
            arg_max(path, "at", {_SAMPLES}) FILTER (path IS NOT NULL) AS sample_paths
        FROM history
        WHERE phase = 'live' AND acl_changed{narrower}
            AND {_KEY} IN (SELECT unnest($unreadable::VARCHAR[]))""",  # noqa: S608  # constants
        filters,
        {
            "unreadable": list(found.unreadable),
            "since_or_null": filters.since,
            "collected_since": collected_since,
        },
    ).to_pylist()[0]
    if not row["changes"]:
        return None
    return Unreadable(row["changes"], row["sample_paths"] or [], found.unreadable[row["key"]])


def _key(new: str | None, old: str | None) -> str:
    new, old = new or "", old or ""
    return md5(f"{len(new.encode())} {new}{old}".encode(), usedforsecurity=False).hexdigest()
