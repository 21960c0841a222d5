"""Permission changes in words: what the SDDL texts of a result say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctera_insights.insights.sddl import UNREADABLE, difference

if TYPE_CHECKING:
    import pyarrow as pa

    from ctera_insights.insights.sddl import Difference


def explained(table: pa.Table) -> pa.Table:
    """Add ``gained``, ``lost``, ``opened_to`` and ``unreadable`` to a table of ``acl`` and ``old_acl``."""
    import pyarrow as pa

    pairs = list(zip(table.column("old_acl").to_pylist(), table.column("acl").to_pylist(), strict=True))
    known = {pair: _in_words(difference(*pair)) for pair in set(pairs)}
    for name in ("gained", "lost", "opened_to", "unreadable"):
        texts = [known[pair][name] for pair in pairs]
        table = table.add_column(table.schema.get_field_index("acl"), name, pa.array(texts, pa.string()))
    return table


def _in_words(changed: Difference) -> dict[str, str]:
    return {
        "gained": UNREADABLE if changed.unreadable else "; ".join(changed.gained),
        "lost": UNREADABLE if changed.unreadable else "; ".join(changed.lost),
        "opened_to": "; ".join(changed.opened_to),
        "unreadable": changed.unreadable,
    }
