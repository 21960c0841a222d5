"""``%%insights``: DuckDB SQL in a notebook's cell, over the views of a store, with completion.

::

    %load_ext ctera_insights
    %insights data                      # which store

    %%insights
    SELECT cloud_folder, count(*) AS changes FROM changes GROUP BY ALL ORDER BY changes DESC

``$name`` in a query binds the notebook's variable of that name; ``%%insights --to frame`` keeps the result
as well.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.error import UsageError as MagicUsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class

from ctera_insights.errors import InsightsError
from ctera_insights.insights.insights import Insights
from ctera_insights.insights.statement import one_query

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from ctera_insights.insights.result import Result

SCOPE_VIEWS: Final = {
    "changes": "activity",
    "history": "activity",
    "story": "activity",
    "current": "objects",
}
_KEYWORDS: Final = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "GROUP BY ALL", "ORDER BY", "ORDER BY ALL", "LIMIT", "HAVING",
    "QUALIFY", "JOIN", "LEFT JOIN", "SEMI JOIN", "ANTI JOIN", "USING", "WITH", "AS", "AND", "OR", "NOT", "IN",
    "BETWEEN", "IS NULL", "IS NOT NULL", "LIKE", "ILIKE", "DISTINCT", "UNION ALL", "CASE WHEN", "THEN",
    "ELSE", "END", "DESC", "ASC", "FILTER", "OVER", "PARTITION BY", "SUMMARIZE", "DESCRIBE",
)  # fmt: skip
_FUNCTIONS: Final = (
    "count(*)", "sum(", "avg(", "min(", "max(", "median(", "quantile_cont(", "arg_max(", "arg_min(", "list(",
    "date_trunc('day', \"at\")", "time_bucket(INTERVAL '1 hour', \"at\")", "timezone('UTC', \"at\")",
    "starts_with(", "ends_with(", "lower(", "coalesce(", "greatest(", "least(",
)  # fmt: skip
_WORD: Final = re.compile(r'"?[\w.]*$')


@magics_class
class InsightsMagics(Magics):
    """``%insights STORE`` opens a store; ``%%insights`` runs SQL over it."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.store: Insights | None = None

    @line_cell_magic
    def insights(self, line: str, cell: str | None = None) -> Insights | Result:
        """Open a store (``%insights STORE [ZONE]``) or run a cell of SQL (``%%insights [--to NAME]``).

        ``STORE`` may be a path, a URL, or a variable that holds an ``Insights``. In SQL, ``$name`` binds the
        notebook's variable of that name.
        """
        try:
            return self._open(line) if cell is None else self._run(line, cell)
        except InsightsError as error:
            # One line instead of a traceback: the message says what to do.
            raise MagicUsageError(str(error)) from None

    def opened(self) -> Insights:
        """The store that was opened last, by the magic or as the notebook's variable ``insights``."""
        if self.store is None:
            held = self._variables().get("insights")
            if not isinstance(held, Insights):
                raise MagicUsageError("No store is open; write `%insights DIR` first")
            self.store = held
        return self.store

    def _variables(self) -> dict[str, Any]:
        assert self.shell is not None
        variables: dict[str, Any] = self.shell.user_ns
        return variables

    def _open(self, line: str) -> Insights:
        words = _words(line)
        if not words:
            return self.opened()
        held = self._variables().get(words[0])
        self.store = held if isinstance(held, Insights) else Insights(words[0], tz=(*words, "UTC")[1])
        return self.store

    def _run(self, line: str, cell: str) -> Result:
        words = _words(line)
        if words and (len(words) != 2 or words[0] != "--to" or not words[1].isidentifier()):
            raise MagicUsageError("Write %%insights or %%insights --to NAME, and the SQL below")
        variables = self._variables()
        wanted = one_query(cell).parameters
        if missing := sorted(wanted - variables.keys()):
            raise MagicUsageError(f"No variable is called {', '.join(missing)}; set it in a cell before")
        result = self.opened().sql(cell, {name: variables[name] for name in wanted})
        _ = result.columns  # what DuckDB refuses is told by this cell, not by whoever shows its result
        if words:
            variables[words[1]] = result
        return result


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:  # a quotation mark without its other
        raise MagicUsageError(f"{error} in {line}") from None


def completions(insights: Insights, text: str) -> list[str]:
    """What may follow the text of a cell up to the caret: views, scopes, columns, words of SQL.

    After ``view.`` only the columns of that view; otherwise what begins like the last word, columns of views
    that the text names before those of others.
    """
    word = _WORD.search(text)
    begun = word[0] if word else ""
    columns = _columns(insights)
    view, dot, part = begun.rpartition(".")
    if dot:
        view = view.strip('"')
        return [
            f"{view}.{_quoted(name)}" for name in columns.get(view, []) if name.startswith(part.strip('"'))
        ]
    named = [view for view in columns if re.search(rf"\b{view}\b", text)]
    fields = dict.fromkeys(name for view in [*named, *columns] for name in columns[view])
    begun = begun.strip('"').lower()
    words = [*columns, *(_quoted(name) for name in fields), *_KEYWORDS, *_FUNCTIONS]
    return [word for word in words if begun and word.strip('"').lower().startswith(begun)]


def _columns(insights: Insights) -> dict[str, list[str]]:
    """Columns by view; those of a scope are those of the view behind it."""
    rows = insights.connection.sql(
        "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() "
        "WHERE NOT internal GROUP BY table_name ORDER BY table_name"
    ).fetchall()
    columns: dict[str, list[str]] = dict(rows)
    for scope, view in SCOPE_VIEWS.items():
        columns[scope] = columns.get(view, [])
    return columns


def _quoted(name: str) -> str:
    return '"at"' if name == "at" else name  # the one column whose name is a word of SQL


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magic and its completion: ``%load_ext ctera_insights``."""
    magics = InsightsMagics(shell)
    shell.register_magics(magics)

    @context_matcher()  # type: ignore[untyped-decorator]  # as above
    def insights_sql_matcher(context: CompletionContext) -> dict[str, Any]:
        lines = context.full_text.split("\n")
        before = "\n".join(
            [*lines[: context.cursor_line], lines[context.cursor_line][: context.cursor_position]]
        )
        if not context.full_text.startswith("%%insights") or "\n" not in before:
            return {"completions": []}
        try:
            found = completions(magics.opened(), before.partition("\n")[2])
        except (InsightsError, MagicUsageError):
            found = []
        # IPython replaces the token before the caret; ours ends where it ends.
        return {"completions": [SimpleCompletion(text) for text in found], "suppress": True}

    shell.Completer.custom_matchers.append(insights_sql_matcher)
