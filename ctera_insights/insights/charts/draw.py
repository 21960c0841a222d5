"""From a result to its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ctera_insights.errors import UsageError
from ctera_insights.insights.charts import style

_TITLE_WIDTH: Final = 100
_SUBTITLE_WIDTH: Final = 140
_NOTES: Final = {
    "timeline": "Observed live changes; several between two reads of the feed count as one",
    "heatmap": "Observed live changes a clock hour, mean over the weeks",
    "operations": "Observed live changes",
    "bars": "Observed live changes",
    "flows": "Observed live changes",
    "drift": "Files created, restored or given a new extension",
}

if TYPE_CHECKING:
    from ctera_insights.insights.charts.picture import Picture
    from ctera_insights.insights.result import Result


def draw(
    result: Result,
    *,
    title: str | None = None,
    width: int = style.WIDTH,
    height: int | None = None,
    limit: int | None = None,
) -> Picture:
    """Draw a result.

    Args:
        result: of a named analysis, or of SQL of one's own: there the first column is the axis (a line where
        it
            is a time, bars otherwise) and the first number the value.
        title: another title than the result's.
        width: of the plot, pixels.
        height: of the plot, pixels; by default what its kind needs.
        limit: how many bars or series to tell apart.

    Raises:
        UsageError: the extra ``charts`` is missing, or nothing in the result can be drawn.
    """
    try:
        import altair as alt
        import vl_convert  # noqa: F401  # a chart that cannot be rendered helps nobody
    except ImportError:
        raise UsageError("Pictures need the extra: pip install 'ctera-insights[charts]'") from None
    from ctera_insights.insights.charts import grids, over_time, rankings
    from ctera_insights.insights.charts.common import Options, drawable
    from ctera_insights.insights.charts.picture import Picture

    kind = result.analysis.picture if result.analysis else "generic"
    if kind == "none":
        raise UsageError(
            f"{result.analysis.name if result.analysis else 'This'} is a table without a picture; use .df()"
        )
    frame = drawable(result.df())
    words = style.shortened(title or result.title or "Result", _TITLE_WIDTH)
    options = Options(width=width, height=height, limit=limit, parameters=result.options)
    chart: Any
    if frame.empty:
        chart = grids.nothing(options)
        notes = "Nothing to show: no rows pass the filters"
    else:
        room = next(room for room in (over_time, rankings, grids) if hasattr(room, kind))
        chart = getattr(room, kind)(frame, options)
        notes = _NOTES.get(kind, "")
    subtitle = [line for line in (notes, style.shortened(result.note, _SUBTITLE_WIDTH)) if line]
    chart = chart.properties(title=alt.TitleParams(words, subtitle=subtitle)).configure(**style.CONFIG)
    return Picture(chart, " · ".join([words, *subtitle]))
