"""Activity: what happened, where, and by how much, derived from the raw states of the lake.

Protocol of progress. Raw batches are numbered within their feed, and each derived table (``activity``,
``objects``, ``folders``) keeps the number of the last batch that went into it as the Delta transaction of
application ``activity:<feed>``: a batch counts once in each table, whatever is repeated after a crash, and a
second writer of the same batch is refused. The tables are committed in this order; where a feed stands is
what ``folders``, the last, says. What a crash leaves is a table that is one step ahead: the step is computed
again, which gives the same rows, and committed to those tables that lack it. Readers pass over rows beyond
where ``folders`` stands.

The result depends on the raw events and the stored answers of the Portal alone, never on how batches were
divided into steps: so dropping and rebuilding arrives at the same content.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctera_insights.activity.lookup import ancestors, ancestors_async, enrich, enrich_async
    from ctera_insights.activity.run import Summary, enrich_lake, enrich_lake_plain
    from ctera_insights.activity.upkeep import check_derived, maintain_derived, repair
    from ctera_insights.activity.views import Source, derived_sources, derived_views

__all__ = [
    "Source",
    "Summary",
    "ancestors",
    "ancestors_async",
    "check_derived",
    "derived_sources",
    "derived_views",
    "enrich",
    "enrich_async",
    "enrich_lake",
    "enrich_lake_plain",
    "maintain_derived",
    "repair",
]

_HOMES = {
    "Source": "views",
    "Summary": "run",
    "ancestors": "lookup",
    "ancestors_async": "lookup",
    "check_derived": "upkeep",
    "derived_sources": "views",
    "derived_views": "views",
    "enrich": "lookup",
    "enrich_async": "lookup",
    "enrich_lake": "run",
    "enrich_lake_plain": "run",
    "maintain_derived": "upkeep",
    "repair": "upkeep",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
