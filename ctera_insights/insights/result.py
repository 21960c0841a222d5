"""An answer: lazy until one asks for its rows, its picture or a file of it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from ctera_insights.errors import InsightsError, QueryFailed, UsageError
from ctera_insights.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from ctera_insights.insights.analysis import Analysis
    from ctera_insights.insights.charts import Picture
    from ctera_insights.lake import Lake

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
        lake: Lake | None = None,
    ) -> None:
        self._connection = connection
        self._lake = lake
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
            StoreDamaged, ViewsOutdated, StoreRefused, StoreUnreachable: a file of the store cannot be read.
        """
        if self._finish is not None:
            return self._connection.from_arrow(self.arrow())
        with self._reading():
            return self._query()

    def _query(self) -> duckdb.DuckDBPyRelation:
        return self._connection.sql(self.sql, params=self.parameters or None)

    def _for_arrow(self) -> duckdb.DuckDBPyRelation:
        from ctera_insights.insights.conversion import told_as_text

        return told_as_text(self._query())

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table; sums are int64 where all of them fit.

        Raises:
            QueryFailed: DuckDB refuses the SQL or fails to run it.
            StoreDamaged, ViewsOutdated, StoreRefused, StoreUnreachable: a file of the store cannot be read.
        """
        from ctera_insights.insights.conversion import settled

        with self._reading():
            table = settled(self._for_arrow().to_arrow_table())
        return self._finish(table) if self._finish else table

    def stream(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The columns, and the rows in batches as DuckDB finds them: for more than fit into memory.

        Sums stay decimal128 here, for nobody knows yet whether all of them fit.

        Raises:
            QueryFailed: DuckDB refuses the SQL, or (while the batches come) fails to run it.
            StoreDamaged, ViewsOutdated, StoreRefused, StoreUnreachable: a file of the store cannot be read.
        """
        if self._finish is not None:
            table = self.arrow()
            return table.schema, iter(table.to_batches())
        with self._reading():
            reader = self._for_arrow().to_arrow_reader()
        return reader.schema, self._batches(reader)

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with self._reading():
            yield from reader

    def box(self) -> str:
        """The first rows, drawn for a terminal."""
        from ctera_insights.insights.box import box

        relation = self.relation
        with self._reading():
            return box(self._connection, relation)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Tell what fails in DuckDB or in the files as errors of ours."""
        from ctera_insights.lake.borders import reading

        try:
            with reading(self._lake.uri if self._lake else "the data", self._lake):
                yield
        except QueryFailed as error:
            if self.analysis is None:
                hints = self._hints()
                raise QueryFailed(
                    f"{str(error).removesuffix(hints)}{hints}"
                ) from None  # one block in another
            raise

    def _hints(self) -> str:
        """What helps those who wrote the SQL themselves."""
        import duckdb

        from ctera_insights.insights.statement import reserved_word

        try:
            rows = self._connection.execute(
                "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1"
            )
            views = ", ".join(name for (name,) in rows.fetchall())
        except duckdb.Error:  # a closed connection has none
            return ""
        return (f"\nThe views are: {views}." if views else "") + reserved_word(self.sql)

    def df(self) -> pd.DataFrame:
        """The rows as a pandas frame, as :mod:`ctera_insights.insights.conversion` says.

        Integers with nulls are ``Int64``, sums are integers, times in UTC carry their zone, local times none.
        """
        from ctera_insights.insights.conversion import frame

        return frame(self.arrow())

    def pl(self) -> pl.DataFrame:
        """The rows as a polars frame; needs the extra ``polars``.

        Raises:
            UsageError: polars is not installed.
        """
        try:
            import polars as pl
        except ImportError:
            raise UsageError("polars needs the extra: pip install 'ctera-insights[polars]'") from None
        from ctera_insights.insights.conversion import portable

        frame = pl.from_arrow(portable(self.arrow()))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def plot(self, **options: Any) -> Picture:
        """A picture of the rows: PNG in every notebook view, SVG, PNG or PDF by ``.save(path)``.

        Needs the extra ``charts``. Options: ``width`` and ``height`` of the plot in pixels, ``title``, and
        ``limit`` for the number of bars or series told apart.
        """
        from ctera_insights.insights.charts import draw

        return draw(self, **options)

    def to_csv(self, path: str | Path, *, inert: bool = False) -> Path:
        """Write the rows as CSV with a heading; times as ISO 8601 in UTC.

        Args:
            path: where to; an existing file is replaced.
            inert: for those who open it in a spreadsheet: texts that begin with ``=``, ``+``, ``-``, ``@``, a
                tab or a carriage return get an apostrophe in front, so that nothing runs as a formula.
                Without, every text comes back as it was collected; an Excel sheet is inert always.

        Raises:
            UsageError, OutputUnwritable: it cannot be written there; found out before the query runs.
        """
        return self._write(path, "csv", inert=inert)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the rows as Parquet (zstd)."""
        return self._write(path, "parquet")

    def to_json(self, path: str | Path, *, lines: bool = False) -> Path:
        """Write the rows as a JSON array of objects, or with ``lines`` one object a line."""
        return self._write(path, "jsonl" if lines else "json")

    def to_excel(self, path: str | Path) -> Path:
        """Write the rows as an Excel sheet; needs the extra ``excel``."""
        return self._write(path, "xlsx")

    def _write(self, path: str | Path, format_: str, *, inert: bool = False) -> Path:
        from ctera_insights.insights.export import ready, write

        ready(path, format_)
        return write(self.arrow(), path, format_, inert=inert)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.relation.columns)

    def __len__(self) -> int:
        return int(self.arrow().num_rows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self.relation, name)
        if not callable(found):
            return found

        @wraps(found)
        def told(*arguments: Any, **options: Any) -> Any:
            with self._reading():
                return found(*arguments, **options)

        return told

    def _head(self) -> tuple[pd.DataFrame, bool]:
        from ctera_insights.insights.conversion import frame, shown

        if self._finish:
            table = self.arrow().slice(0, SHOWN_ROWS + 1)
        else:
            with self._reading():
                table = self._for_arrow().limit(SHOWN_ROWS + 1).to_arrow_table()
        return shown(frame(table.slice(0, SHOWN_ROWS))), table.num_rows > SHOWN_ROWS

    def _heading(self) -> str:
        return visible(" · ".join(part for part in (self.title, self.note) if part))

    def __repr__(self) -> str:
        frame, more = self._head()
        text = frame.to_string(max_colwidth=60)
        return "\n".join(part for part in (self._heading(), text, "…" if more else "") if part)

    def _repr_html_(self) -> str | None:
        from html import escape

        import pandas as pd

        try:
            frame, more = self._head()
        except InsightsError:  # IPython asks for the plain form as well: told there, once
            return None
        heading = self._heading()
        parts = [f"<p><b>{escape(heading)}</b></p>" if heading else ""]
        with pd.option_context("display.max_colwidth", 120):
            parts.append(frame.to_html(index=False, max_rows=SHOWN_ROWS, border=0, na_rep=""))
        if more:
            parts.append(f"<p>The first {SHOWN_ROWS} rows; <code>.df()</code> has all of them.</p>")
        return "\n".join(parts)
