"""Rows as DuckDB draws them in a terminal, with every text of them visible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ctera_insights.text import visible

if TYPE_CHECKING:
    import duckdb

_WITH_TEXT: Final = re.compile("VARCHAR|ENUM|JSON|UNION")


def box(connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation) -> str:
    """A relation's first rows as a box of lines, or a plan as its own drawing.

    Args:
        connection: the relation's; it gets a function ``visible``.
        relation: what to draw.
    """
    if relation.columns == ["explain_key", "explain_value"]:
        return "\n".join(visible(plan, keep="\n") for _, plan in relation.fetchall()) + "\n"
    connection.create_function("visible", _visible, ["VARCHAR"], "VARCHAR")
    try:
        columns = (
            f"visible(CAST({_quoted(name)} AS VARCHAR)) AS {_quoted(visible(name))}"
            if _WITH_TEXT.search(str(kind))
            else f"{_quoted(name)} AS {_quoted(visible(name))}"
            for name, kind in zip(relation.columns, relation.types, strict=True)
        )
        return str(relation.project(", ".join(columns)))
    finally:
        connection.remove_function("visible")


def _visible(text: str) -> str:
    return visible(text)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
