"""One answer of the index: everything that the views of a selection show, for every range of bins.

The time range itself is not applied: the page holds each view by bins and sums those that are brushed, so
that brushing asks nobody. Each view passes every filter but its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ctera_insights.widgets.codes import HERE, OPS, OTHER
from ctera_insights.widgets.timeline import HOURS_OF_WEEK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ctera_insights.widgets.codes import Child
    from ctera_insights.widgets.index import Index, Level
    from ctera_insights.widgets.selection import Selection


@dataclass(frozen=True)
class Frame:
    """The views of a selection, by the ``n`` bins of its timeline.

    Attributes:
        edges_s: boundaries of the bins, seconds since 1970, shape ``(n + 1,)``.
        ops: events by operation, ``(n, 7)``.
        extensions: events by extension, ``(n, labels)``.
        cloud_folders: events by cloud folder, ``(n, labels)``.
        children: events by child folder, ``(n, labels)``; ``child_bytes`` are bytes added and removed there.
        sizes: bytes added and removed, ``(n, 2)``.
        hours: events by local hour of the week, ``(n, 168)``.
        grains: events of the whole selection by grain: what finds a page of the table.
    """

    edges_s: NDArray[np.int64]
    ops: NDArray[np.float64]
    extensions: NDArray[np.float64]
    extension_values: list[str | None]
    cloud_folders: NDArray[np.float64]
    cloud_folder_values: list[str | None]
    children: NDArray[np.float64]
    child_bytes: NDArray[np.float64]
    child_labels: list[Child]
    sizes: NDArray[np.float64]
    hours: NDArray[np.float64]
    grains: NDArray[np.int64]
    events: int
    tz: str
    grain_s: int

    def message(self) -> tuple[dict[str, Any], list[bytes]]:
        """The frame as JSON and buffers for the page: unsigned 32-bit counts, 64-bit bytes, row by row.

        A day has 24 of the 168 hours of the week: of ``hours`` go the places that are not zero, and their
        counts.
        """
        hours = self.hours.ravel()
        places = np.flatnonzero(hours)
        counts = [self.ops, self.extensions, self.cloud_folders, self.children, places, hours[places]]
        sizes = [self.child_bytes, self.sizes]
        content = {
            "edges": (self.edges_s * 1000).tolist(),
            "ops": list(OPS),
            "extensions": self.extension_values,
            "cloud_folders": self.cloud_folder_values,
            "more_extensions": self.extensions.shape[1] > len(self.extension_values),
            "more_cloud_folders": self.cloud_folders.shape[1] > len(self.cloud_folder_values),
            "children": [{"name": c.name, "path": c.path, "kind": c.kind} for c in self.child_labels],
            "events": self.events,
            "tz": self.tz,
        }
        buffers = [array.astype("<u4").tobytes() for array in counts]
        return content, buffers + [array.astype("<f8").tobytes() for array in sizes]

    def window(self, since_ms: int | None, until_ms: int | None) -> slice:
        """The bins between two moments, of which each lies on an edge."""
        low = 0 if since_ms is None else int(np.searchsorted(self.edges_s, since_ms / 1000, "left"))
        high = len(self.edges_s) - 1
        if until_ms is not None:
            high = int(np.searchsorted(self.edges_s, until_ms / 1000, "left"))
        return slice(low, max(high, low))


def frame(index: Index, selection: Selection) -> Frame:
    """Ask the index for every view of a selection."""
    timeline = index.timeline
    assert timeline is not None
    level = index.level(selection)
    op = index.codes_in("op", OPS, selection.op)
    extension = index.codes_in("ext", index.extensions, selection.extension)
    cloud_folder = index.codes_in("cf", index.cloud_folders, selection.cloud_folder)
    every = _all_of(op, extension, cloud_folder)

    by_grain = index.grain_counts(selection)
    chosen = [i for i, name in enumerate(OPS) if not selection.op or name in selection.op]
    in_hours = by_grain * index.hours_mask(selection)[:, None]
    bins = _bins_of_grains(index, level)

    extensions = _with_other(level.extensions, index.extensions)
    cloud_folders = _with_other(level.cloud_folders, index.cloud_folders)
    children = [child.code for child in level.children]
    of_children = index.counts(level, "kid", children, every, sizes=True)
    child_events, child_sizes = of_children[:, :, 0], of_children[:, :, 1:]
    present = [
        i
        for i, child in enumerate(level.children)
        if child.code not in {HERE, OTHER} or child_events[:, i].any()
    ]
    return Frame(
        edges_s=level.edges_s,
        ops=_sum_by(bins, in_hours, len(level.edges_s) - 1),
        extensions=index.counts(level, "ext", extensions, _all_of(op, cloud_folder)),
        extension_values=[index.extensions[code] for code in level.extensions],
        cloud_folders=index.counts(level, "cf", cloud_folders, _all_of(op, extension)),
        cloud_folder_values=[index.cloud_folders[code] for code in level.cloud_folders],
        children=child_events[:, present],
        child_bytes=child_sizes[:, present].sum(axis=2),
        child_labels=[level.children[i] for i in present],
        sizes=child_sizes.sum(axis=1),
        hours=_hours(index, by_grain[:, chosen].sum(axis=1), bins, len(level.edges_s) - 1),
        grains=in_hours[:, chosen].sum(axis=1) * (bins >= 0),
        events=index.events,
        tz=index.tz,
        grain_s=timeline.grain_s,
    )


def _all_of(*conditions: str) -> str:
    return " AND ".join(c for c in conditions if c != "TRUE") or "TRUE"


def _with_other(codes: list[int], values: Sequence[str | None]) -> list[int]:
    return codes if len(codes) == len(values) else [*codes, OTHER]


def _bins_of_grains(index: Index, level: Level) -> NDArray[np.int64]:
    """The bin of each grain; -1 outside the timeline that is shown."""
    assert index.timeline is not None
    starts = index.timeline.starts_s()
    bins = np.searchsorted(level.edges_s, starts, side="right") - 1
    bins[(starts < level.edges_s[0]) | (starts >= level.edges_s[-1])] = -1
    return np.asarray(bins, dtype=np.int64)


def _sum_by(bins: NDArray[np.int64], values: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    inside = bins >= 0
    columns = [np.bincount(bins[inside], column[inside], size) for column in values.T]
    return np.stack(columns, axis=1)


def _hours(
    index: Index, values: NDArray[np.int64], bins: NDArray[np.int64], size: int
) -> NDArray[np.float64]:
    assert index.timeline is not None
    inside = bins >= 0
    place = bins[inside] * HOURS_OF_WEEK + index.timeline.hours_of_week()[inside]
    counted = np.bincount(place, values[inside], size * HOURS_OF_WEEK)
    return np.asarray(counted.reshape(size, HOURS_OF_WEEK), dtype=np.float64)
