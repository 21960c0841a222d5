"""The rows of a selection, newest first, page by page.

The counts by grain tell in which stretch of time the n-th row lies, so that a page reads a stretch of the
store and not all of it. A selection of few rows is read once and kept.
"""

# ruff: noqa: S608 # the condition is written by `Selection.where`, which quotes every text

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ctera_insights.widgets.frame import Frame
    from ctera_insights.widgets.index import Index
    from ctera_insights.widgets.selection import Selection

PAGE_ROWS: Final = 100
_FEW_ROWS: Final = 2_000
_COLUMNS: Final = (
    'epoch_ms("at") AS moment, op, type, path, old_path, size, size_delta, cloud_folder, feed, seq'
)
_ORDER: Final = '"at" DESC, feed, seq DESC, path'


class Pages:
    """Pages of an index' rows; keeps the last small selection."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._kept: tuple[str, list[tuple[Any, ...]]] = ("", [])

    def page(self, frame: Frame, selection: Selection, offset: int, rows: int = PAGE_ROWS) -> list[list[Any]]:
        """Rows ``offset`` to ``offset + rows`` of a selection.

        Returns:
            For each row: milliseconds since 1970, operation, type, path, old path, size and size change in
            bytes.
        """
        grains = self._within(frame, selection)
        total = int(grains.sum())
        if offset >= total:
            return []
        where = selection.where(self._index.tz, self._index.scope)
        if total <= _FEW_ROWS:
            if self._kept[0] != where:
                self._kept = (where, self._read(where, 0, total))
            found = self._kept[1][offset : offset + rows]
        else:
            newest_first = np.cumsum(grains[::-1])
            last = len(grains) - 1 - int(np.searchsorted(newest_first, offset, "right"))
            until = min(offset + rows, total)
            first = len(grains) - 1 - int(np.searchsorted(newest_first, until, "left"))
            skipped = int(grains[last + 1 :].sum())
            low, high = selection.bounds()  # the first and last grain hold what lies beyond them as well
            since = self._start_ms(first) if first else low
            end = self._start_ms(last + 1) if last + 1 < len(grains) else high
            stretch = replace(selection, since=since, until=end)
            narrowed = stretch.where(self._index.tz, self._index.scope)
            found = self._read(narrowed, offset - skipped, until - offset)
        return [list(row[:7]) for row in found]

    def _within(self, frame: Frame, selection: Selection) -> NDArray[np.int64]:
        """The counts by grain inside the time range."""
        grains = frame.grains
        low, high = selection.bounds()
        first = 0 if low is None else self._grain(low)
        last = len(grains) if high is None else self._grain(high)
        inside = np.zeros_like(grains)
        inside[max(first, 0) : max(last, 0)] = grains[max(first, 0) : max(last, 0)]
        return inside

    def _grain(self, moment_ms: int) -> int:
        timeline = self._index.timeline
        assert timeline is not None
        return moment_ms // 1000 // timeline.grain_s - timeline.first

    def _start_ms(self, grain: int) -> int:
        timeline = self._index.timeline
        assert timeline is not None
        return (timeline.first + grain) * timeline.grain_s * 1000

    def _read(self, where: str, offset: int, rows: int) -> list[tuple[Any, ...]]:
        return self._index.rows(
            f"SELECT {_COLUMNS} FROM activity WHERE {where} ORDER BY {_ORDER} LIMIT {rows} OFFSET {offset}"
        )
