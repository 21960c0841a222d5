"""The explorer: file activity in a notebook cell, brushed and searched at the speed of the hand.

One widget of our own rather than a set of general ones: its views share one index in the kernel (see
:mod:`ctera_insights.widgets.index`), the page sums brushed bins by itself, and the table pages through the
whole selection. A general cross-filter client sends one query a view and brush step, has neither the folder
tree nor the paged table, and talks to one connection from several threads under JupyterLab. The JavaScript
stands on d3's scales and formats, is bundled with them and shipped in the package; nothing is fetched from a
network.

Messages are answered one at a time on a thread of the explorer's own, whatever thread of the kernel they
arrive on; a view that was asked for is skipped when a newer one waits.
"""

from __future__ import annotations

import base64
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

import anywidget
import traitlets

from ctera_insights.errors import UsageError
from ctera_insights.insights import Insights, Result
from ctera_insights.output import output
from ctera_insights.widgets.frame import Frame, frame
from ctera_insights.widgets.headless import is_headless
from ctera_insights.widgets.index import Index
from ctera_insights.widgets.pages import Pages
from ctera_insights.widgets.picture import png_size, to_png, to_svg
from ctera_insights.widgets.selection import Selection
from ctera_insights.widgets.worker import Worker

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import duckdb
    import pandas as pd

    from ctera_insights.widgets.selection import SelectArgs

_STATIC: Final = Path(__file__).parent / "static"
_VIEW: Final = "application/vnd.jupyter.widget-view+json"
_LOG: Final = logging.getLogger(__name__)


class Explorer(anywidget.AnyWidget):
    """See the activity of a store, brush it, and drill into it.

    Every view filters all others. ``sql``, ``relation`` and :meth:`df` give the selection back to Python;
    :meth:`select` sets it.

    Args:
        insights: an open store.
        inventory: show the inventory (what existed when collecting began) beside the changes.

    Example:
        >>> explorer = Insights("data").explore()              # doctest: +SKIP
        >>> explorer.select(op="deleted", text="invoice").df()  # doctest: +SKIP
    """

    _esm = _STATIC / "explorer.js"
    # The page knows what it sent; an echo would only stand before the answer.
    state = traitlets.Dict().tag(sync=True, echo_update=False)
    """The filters as the page sends them; set them with :meth:`select`."""

    def __init__(self, insights: Insights, *, inventory: bool = False) -> None:
        self.insights = insights
        self._selection = Selection()
        self._closed = True  # until all of it is there: what failed to open is collected, and so closed
        self._asked = 0
        self._edges_ms: set[int] = set()
        self._lock = threading.RLock()
        self._inventory = inventory
        self._index = self._open(inventory)
        self._pages = Pages(self._index)
        self._work = Worker("explorer", self._interrupt)
        super().__init__(state=self._selection.state())
        self._closed = False
        self.on_msg(self._hear)
        self.observe(self._page_changed, "state")

    def _interrupt(self) -> None:
        self._index.interrupt()

    def _open(self, inventory: bool) -> Index:
        """An index over a connection of its own: kernels answer a page's messages on several threads."""
        if self.insights.lake is not None:
            from ctera_insights.insights import connect

            connection = connect(self.insights.lake)
        else:
            connection = self.insights.connection.cursor()
            connection.execute("SET TimeZone = 'UTC'")
        index = Index(connection, self.insights.tz, inventory=inventory)
        try:
            with self.insights.reading():
                index.build()
        except BaseException:
            index.close()
            raise
        return index

    # --- for Python ----------------------------------------------------------------------------------------

    def select(self, **filters: Unpack[SelectArgs]) -> Explorer:
        """Set filters; those not named stay as they are, and ``None`` removes one.

        Args:
            filters: ``since``, ``until`` (as in every analysis; rounded outwards to whole steps of the index,
                at most an hour), ``cloud_folder``, ``path`` (the folder to open), ``op``, ``extension``,
                ``text`` (somewhere in the path or old path), ``weekdays`` and ``hours`` (first and last, or
                one; Monday is 0).

        Returns:
            The explorer itself.

        Raises:
            UsageError: a filter does not exist, its value cannot be, or names what never was in the store.
        """
        chosen = self._on_grains(self._selection.narrowed(dict(filters), self.insights.tz))
        self.insights.known.check(chosen.filters())
        self.state = chosen.state()
        return self

    def clear(self) -> Explorer:
        """Remove every filter."""
        self.state = Selection().state()
        return self

    @property
    def selection(self) -> Selection:
        """The filters as they stand."""
        return self._selection

    @property
    def sql(self) -> str:
        """The selection as a query over the view ``activity``."""
        where = self._selection.where(self.insights.tz, self._index.scope)
        return f'SELECT * FROM activity WHERE {where} ORDER BY "at", feed, seq'  # noqa: S608 # texts are quoted

    @property
    def relation(self) -> duckdb.DuckDBPyRelation:
        """The selection as a lazy DuckDB relation on the connection of the store that was opened."""
        return self._result().relation

    def df(self) -> pd.DataFrame:
        """The selected events as a pandas frame, as results of analyses are."""
        return self._result().df()

    def _result(self) -> Result:
        return Result(self.insights.connection, self.sql, {}, lake=self.insights.lake)

    def svg(self) -> str:
        """A picture of the current state, as SVG."""
        return to_svg(self._frame(), self._selection)

    def png(self) -> bytes:
        """A picture of the current state, as PNG; needs the extra ``charts``."""
        return to_png(self.svg())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a picture of the current state; the ending says how: ``.png`` or ``.svg``.

        Raises:
            UsageError, OutputUnwritable: it cannot be written there.
        """
        target = Path(path)
        ending = target.suffix.lower()
        if ending not in {".png", ".svg"}:
            raise UsageError(f"A picture of the explorer is written as .png or .svg, not as {target.name}")
        with output(target) as staged:
            staged.write_bytes(self.svg().encode() if ending == ".svg" else self.png())
        return target

    def refresh(self) -> Explorer:
        """See what was committed since; the filters stay."""
        with self._lock:
            old = self._index
            self.insights.refresh()
            self._index = self._open(self._inventory)
            self._pages = Pages(self._index)
            old.close()
        self._ask(self._send_frame)
        return self

    def close(self) -> None:
        """Free the memory of the index, and remove the views of it from their pages."""
        if not self._closed:
            self._closed = True
            self._work.close()
            super().close()
            self._index.close()

    # --- for the page --------------------------------------------------------------------------------------

    def _on_grains(self, selection: Selection) -> Selection:
        """A selection whose times are boundaries of the index."""
        timeline = self._index.timeline
        if timeline is None:
            return selection
        state = selection.state()
        for name, rounded in (("since", timeline.floor), ("until", timeline.ceil)):
            if state[name] is not None:
                state[name] = rounded(state[name] / 1000) * 1000
        if state["domain"] is not None:
            low, high = state["domain"]
            state["domain"] = [timeline.floor(low / 1000) * 1000, timeline.ceil(high / 1000) * 1000]
        return Selection.from_state(state)

    def _page_changed(self, change: dict[str, Any]) -> None:
        """The state was set, by the page or by :meth:`select`."""
        try:
            chosen = self._on_grains(Selection.from_state(change["new"]))
        except Exception as error:  # noqa: BLE001 # shown where it was caused: on the page
            self._send_error(error)
            return
        before, self._selection = self._selection, chosen
        if chosen.without_times() != before.without_times() or not self._shown_edges(chosen):
            self._ask(self._send_frame)

    def _shown_edges(self, selection: Selection) -> bool:
        """Whether the page has bins that begin and end where a time range does."""
        ends = [ms for ms in (selection.since, selection.until) if ms is not None]
        return self._edges_ms.issuperset(ends)

    def _hear(self, _: Any, content: dict[str, Any], __: list[bytes]) -> None:
        kind = content.get("kind")
        if kind == "hello":
            self._ask(self._send_frame)
        elif kind == "rows":
            self._ask(lambda: self._send_rows(content))
        elif kind == "inventory":
            self._ask(self._show_inventory)

    def _ask(self, answer: Callable[[], None]) -> None:
        """Answer on the explorer's thread, in turn; trouble is shown on the page."""
        if answer == self._send_frame:
            self._asked += 1
            asked = self._asked
            answer = lambda: self._send_frame() if asked == self._asked else None  # noqa: E731 # kept short

        def run() -> None:
            try:
                with self.insights.reading():
                    answer()
            except Exception as error:  # noqa: BLE001 # shown where it was caused: on the page
                if self._index.closing:
                    return
                _LOG.debug("an explorer's query failed", exc_info=True)
                self._send_error(error)

        if not self._closed:
            self._work.submit(run)

    def _frame(self) -> Frame | None:
        """The views of the current selection; ``None`` when there is nothing at all."""
        with self._lock, self.insights.reading():
            return None if self._index.timeline is None else frame(self._index, self._selection)

    def _send_frame(self) -> None:
        found = self._frame()
        state = self._selection.state()
        if found is None:
            listed = self._index.inventory()
            self.send({"kind": "empty", "inventory": listed, "lacks": self.insights.lacks, "state": state})
            return
        self._edges_ms = set((found.edges_s * 1000).tolist())
        content, buffers = found.message()
        self.send({"kind": "frame", "state": state, "lacks": self.insights.lacks, **content}, buffers)
        self._index.number_folders()  # behind the first picture, which does not need them

    def _send_rows(self, content: dict[str, Any]) -> None:
        found = None
        with self._lock:
            selection = self._on_grains(Selection.from_state(content["state"]))
            if self._index.timeline is not None:
                found = self._pages.page(frame(self._index, selection), selection, int(content["offset"]))
        self.send({"kind": "rows", "offset": content["offset"], "id": content["id"], "rows": found or []})

    def _show_inventory(self) -> None:
        with self._lock:
            old, self._inventory = self._index, True
            self._index = self._open(inventory=True)
            self._pages = Pages(self._index)
            old.close()
        self._send_frame()

    def _send_error(self, error: BaseException) -> None:
        self.send({"kind": "error", "text": str(error) or type(error).__name__})

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget, and a picture of its state for where no kernel runs."""
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        if is_headless():
            data = {kind: value for kind, value in data.items() if kind != _VIEW}
        try:
            picture = self.png()
        except UsageError:  # the extra is not installed
            data["image/svg+xml"] = self.svg()
        else:
            data["image/png"] = base64.b64encode(picture).decode("ascii")
            metadata = {**metadata, "image/png": png_size(picture)}
        data["text/plain"] = repr(self)
        return data, metadata

    def __repr__(self) -> str:
        words = self._selection.words(self.insights.tz)
        return f"Explorer({', '.join(words) if words else 'all activity'})"


def explore(insights: Insights | str | os.PathLike[str], *, inventory: bool = False) -> Explorer:
    """Explore the activity of a store.

    Args:
        insights: an open store, or its path or URL.
        inventory: show the inventory beside the changes.
    """
    return Explorer(
        insights if isinstance(insights, Insights) else Insights(str(insights)), inventory=inventory
    )
