"""Permission changes in words: what the SDDL texts of a result say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctera_insights.insights.sddl import difference

if TYPE_CHECKING:
    import pyarrow as pa


def explained(table: pa.Table) -> pa.Table:
    """Add ``gained``, ``lost`` and ``opened_to`` before the columns ``acl`` and ``old_acl`` of a table."""
    import pyarrow as pa

    pairs = list(zip(table.column("old_acl").to_pylist(), table.column("acl").to_pylist(), strict=True))
    known = {pair: difference(*pair) for pair in set(pairs)}
    for name in ("gained", "lost", "opened_to"):
        texts = ["; ".join(getattr(known[pair], name)) for pair in pairs]
        table = table.add_column(table.schema.get_field_index("acl"), name, pa.array(texts, pa.string()))
    return table
