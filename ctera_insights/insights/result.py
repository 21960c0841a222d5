"""An answer: lazy until one asks for its rows, its picture or a file of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ctera_insights.errors import QueryFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from ctera_insights.insights.analysis import Analysis
    from ctera_insights.insights.charts import Picture

SHOWN_ROWS = 20


class Result:
    """A query and its parameters over a store; nothing runs before its rows are wanted.

    It is also the DuckDB relation of the query: ``result.filter(…)``, ``.aggregate(…)``, ``.order(…)``,
    ``.limit(…)`` and the other methods of ``duckdb.DuckDBPyRelation`` work on it and stay lazy.

    Attributes:
        sql: the whole statement, with named parameters.
        parameters: what it binds.
        title: what it shows, in words.
        note: the filters in words; empty when there are none.
        analysis: the named analysis behind it, or ``None`` for SQL of one's own.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        parameters: Mapping[str, Any],
        *,
        title: str = "",
        note: str = "",
        analysis: Analysis | None = None,
        options: Mapping[str, Any] | None = None,
        finish: Callable[[pa.Table], pa.Table] | None = None,
    ) -> None:
        self._connection = connection
        self._finish = finish
        self.sql = sql
        self.parameters = dict(parameters)
        self.title = title
        self.note = note
        self.analysis = analysis
        self.options = dict(options or {})

    @property
    def relation(self) -> duckdb.DuckDBPyRelation:
        """The DuckDB relation of the query, lazy.

        Raises:
            QueryFailed: DuckDB refuses the SQL.
        """
        import duckdb

        try:
            if self._finish is not None:
                return self._connection.from_arrow(self.arrow())
            return self._connection.sql(self.sql, params=self.parameters or None)
        except duckdb.Error as error:
            raise QueryFailed(str(error)) from None

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table.

        Raises:
            QueryFailed: DuckDB refuses the SQL or fails to run it.
        """
        import duckdb

        try:
            query = self._connection.sql(self.sql, params=self.parameters or None)
            table: pa.Table = query.to_arrow_table()
        except duckdb.Error as error:
            raise QueryFailed(str(error)) from None
        return self._finish(table) if self._finish else table

    def df(self) -> pd.DataFrame:
        """The rows as a pandas frame; times in UTC carry their zone, local times carry none."""
        frame: pd.DataFrame = self.arrow().to_pandas()
        return frame

    def pl(self) -> pl.DataFrame:
        """The rows as a polars frame; polars is a package of its own."""
        import polars as pl

        frame = pl.from_arrow(self.arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def plot(self, **options: Any) -> Picture:
        """A picture of the rows: PNG in every notebook view, SVG, PNG or PDF by ``.save(path)``.

        Needs the extra ``charts``. Options: ``width`` and ``height`` of the plot in pixels, ``title``, and
        ``limit`` for the number of bars or series told apart.
        """
        from ctera_insights.insights.charts import draw

        return draw(self, **options)

    def to_csv(self, path: str | Path) -> Path:
        """Write the rows as CSV with a heading; times as ISO 8601 in UTC."""
        return self._write(path, "csv")

    def to_parquet(self, path: str | Path) -> Path:
        """Write the rows as Parquet (zstd)."""
        return self._write(path, "parquet")

    def to_json(self, path: str | Path, *, lines: bool = False) -> Path:
        """Write the rows as a JSON array of objects, or with ``lines`` one object a line."""
        return self._write(path, "jsonl" if lines else "json")

    def to_excel(self, path: str | Path) -> Path:
        """Write the rows as an Excel sheet; needs the extra ``excel``."""
        return self._write(path, "xlsx")

    def _write(self, path: str | Path, format_: str) -> Path:
        from ctera_insights.insights.export import write

        return write(self.arrow(), path, format_)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.relation.columns)

    def __len__(self) -> int:
        return int(self.arrow().num_rows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.relation, name)

    def _head(self) -> tuple[pd.DataFrame, bool]:
        frame = (
            self.df() if self._finish else self.relation.limit(SHOWN_ROWS + 1).to_arrow_table().to_pandas()
        )
        return frame.head(SHOWN_ROWS), len(frame) > SHOWN_ROWS

    def __repr__(self) -> str:
        frame, more = self._head()
        heading = " · ".join(part for part in (self.title, self.note) if part)
        return "\n".join(
            part for part in (heading, frame.to_string(max_colwidth=60), "…" if more else "") if part
        )

    def _repr_html_(self) -> str:
        from html import escape

        import pandas as pd

        frame, more = self._head()
        heading = " · ".join(part for part in (self.title, self.note) if part)
        parts = [f"<p><b>{escape(heading)}</b></p>" if heading else ""]
        with pd.option_context("display.max_colwidth", 120):
            parts.append(frame.to_html(index=False, max_rows=SHOWN_ROWS, border=0, na_rep=""))
        if more:
            parts.append(f"<p>The first {SHOWN_ROWS} rows; <code>.df()</code> has all of them.</p>")
        return "\n".join(parts)
