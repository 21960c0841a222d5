"""One question in DuckDB's SQL: what is a query and what is not, said by DuckDB's own parser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import QueryFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ALLOWED: Final = (
    "One query is run at a time: SELECT, FROM, WITH, VALUES, PIVOT, UNPIVOT, SUMMARIZE, DESCRIBE, SHOW or "
    "EXPLAIN of one"
)
_READS: Final = frozenset({"SELECT", "MULTI", "EXPLAIN"})
_WRITES: Final = re.compile(
    r"\(\s*(INSERT\s+(?:OR\s+\w+\s+)?INTO|DELETE\s+FROM|UPDATE(?=\s+[\w])|MERGE\s+INTO|COPY)\b", re.IGNORECASE
)
_EXPLAIN: Final = re.compile(r"EXPLAIN(?:\s+(?:ANALYZE|VERBOSE|\([^)]*\)))*\s", re.IGNORECASE)
_ABOUT: Final = re.compile(r"(?:SUMMARIZE|DESCRIBE|DESC|SHOW)\b", re.IGNORECASE)
_WITH: Final = re.compile(r"WITH(\s+RECURSIVE)?\s", re.IGNORECASE)
_AT: Final = re.compile(r'(?<!")\bat\b(?!")', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One query.

    Attributes:
        sql: its text without comments before, comments after and the semicolon.
        parameters: the names of its ``$name`` markers.
        several: whether DuckDB runs it as several statements (PIVOT), and binds nothing to it then.
    """

    sql: str
    parameters: frozenset[str]
    several: bool = False


def one_query(sql: str) -> Statement:
    r"""The one query that a text holds.

    Args:
        sql: with comments and semicolons as people write them.

    Raises:
        UsageError: the text holds nothing, more than one statement, or something else than a query.
        QueryFailed: DuckDB cannot parse it.

    Example:
        >>> one_query("SELECT $n, '$m' -- how many? $k\n; -- done")
        Statement(sql="SELECT $n, '$m'", parameters=frozenset({'n'}), several=False)
    """
    import duckdb

    _check_text(sql)
    with duckdb.connect() as parser:
        try:
            found = parser.extract_statements(sql)
        except duckdb.Error as error:
            if (names := _markers(sql)) and "PIVOT" in str(error):  # it takes no parameters, but literals
                asked = one_query(inlined(sql, dict.fromkeys(names)))
                return Statement(_trimmed(sql), names, asked.several)
            raise QueryFailed(str(error) + reserved_word(sql)) from None
    if not found:
        raise UsageError(f"There is no query in it. {ALLOWED}.")
    if len(found) > 1:
        raise UsageError(f"These are {len(found)} statements. {ALLOWED}.")
    (statement,) = found
    kind, bare = statement.type.name, _trimmed(sql)
    if kind not in _READS or (kind == "MULTI" and "PIVOT" not in _code(bare).upper()):
        raise UsageError(f"{kind.replace('_', ' ')} is not run here. {ALLOWED}; DuckDB itself runs all else.")
    if explained := _EXPLAIN.match(bare):
        inner = one_query(bare[explained.end() :])
        return Statement(explained[0] + inner.sql, inner.parameters, inner.several)
    if writes := _WRITES.search(_code(bare)):
        raise UsageError(f"{writes[1].split()[0].upper()} within a query is not run here. {ALLOWED}.")
    names = frozenset(statement.named_parameters)
    if any(name.isdigit() for name in names):
        raise UsageError("A parameter has a name here: write $name, not ? or $1.")
    return Statement(bare, names, kind == "MULTI")


def _check_text(sql: object) -> None:
    if not isinstance(sql, str):
        raise UsageError(f"A query is a text, not {type(sql).__name__}.")
    if not sql.isascii() and (half := re.search("[\ud800-\udfff]", sql)):
        raise UsageError(f"The query holds half a character, {half[0]}; write the whole one.")


def with_tables(sql: str, scopes: Iterable[str]) -> str:
    """A query with common tables in front, whatever it begins with."""
    listed = ",\n".join(scopes)
    explained = _EXPLAIN.match(sql)
    head, body = (explained[0], sql[explained.end() :]) if explained else ("", sql)
    if found := _WITH.match(body):
        return f"{head}WITH{found[1] or ''} {listed},\n{body[found.end() :]}"
    if _ABOUT.match(body):
        return f"{head}WITH {listed}\nFROM ({body})"
    return f"{head}WITH {listed}\n{body}"


def defines(sql: str, name: str) -> bool:
    """Whether a query has a common table of this name itself."""
    return bool(re.search(rf"\b{name}\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(", sql, re.IGNORECASE))


def inlined(sql: str, values: Mapping[str, Any]) -> str:
    """A query with its markers replaced by literals, for what DuckDB binds nothing to.

    Raises:
        UsageError: a value has no literal.
    """
    text = sql.encode()
    parts: list[bytes] = []
    at = 0
    for start, end, name in _marked(sql):
        if name in values:
            parts += [text[at:start], _literal(name, values[name]).encode()]
            at = end
    return b"".join([*parts, text[at:]]).decode()


def _markers(sql: str) -> frozenset[str]:
    return frozenset(name for _, _, name in _marked(sql))


def _marked(sql: str) -> Iterator[tuple[int, int, str]]:
    """Where each ``$name`` begins and ends, and the name, as DuckDB's tokenizer sees them."""
    text = sql.encode()
    for (start, end, kind), (name_start, name_end, _) in pairwise(_tokens(sql)):
        if kind == "operator" and text[start:end] == b"$":
            name = text[name_start:name_end].rstrip()
            yield start, name_start + len(name), name.decode()


def reserved_word(sql: str) -> str:
    """A hint for those who met the one column whose name is a word of SQL."""
    return '\nThe column "at" must be quoted: AT is a word of DuckDB\'s own SQL.' if _AT.search(sql) else ""


def _literal(name: str, value: Any) -> str:
    from datetime import date, datetime

    from ctera_insights.activity.relations import literal

    if value is None:
        return "NULL"
    if isinstance(value, (bool, int, float)):
        return repr(value) if isinstance(value, int) else f"{literal(repr(value))}::DOUBLE"
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, datetime):
        return f"{'TIMESTAMPTZ' if value.tzinfo else 'TIMESTAMP'} {literal(value.isoformat(sep=' '))}"
    if isinstance(value, date):
        return f"DATE {literal(value.isoformat())}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_literal(name, each) for each in value)}]"
    raise UsageError(f"PIVOT takes no {type(value).__name__} as ${name}; give a text, a number or a time")


def _trimmed(sql: str) -> str:
    """The text from its first word to its last, the semicolon not included."""
    kept = [(start, end) for start, end, kind in _tokens(sql) if kind != "comment"]
    text = sql.encode()
    while kept and text[slice(*kept[-1])].strip(b"; \t\r\n") == b"":
        kept.pop()
    # A comment counts as white space of the token before it: what stands there ends where the comment begins.
    return text[kept[0][0] : kept[-1][1]].decode().strip()


def _code(sql: str) -> str:
    """The text without comments, texts and quoted names."""
    text = sql.encode()
    pieces = (
        text[start:end].decode()
        for start, end, kind in _tokens(sql)
        if kind not in {"comment", "string_const"} and text[start : start + 1] != b'"'
    )
    return " ".join(pieces)


def _tokens(sql: str) -> list[tuple[int, int, str]]:
    """DuckDB's tokens: the bytes where each begins and the next begins, and its kind."""
    import duckdb

    starts = [(start, kind.name) for start, kind in duckdb.tokenize(sql)]
    ends = [start for start, _ in starts[1:]] + [len(sql.encode())]
    return [(start, end, kind) for (start, kind), end in zip(starts, ends, strict=True)]
