"""Heat maps and distributions, and pictures of SQL of one's own."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import pandas as pd

from ctera_insights.errors import UsageError
from ctera_insights.insights.charts import style
from ctera_insights.insights.charts.common import BYTES_AXIS, COUNT_AXIS, TIME_AXIS, Options, inline, labelled
from ctera_insights.insights.charts.rankings import bar_chart

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def heatmap(frame: pd.DataFrame, options: Options) -> Any:
    """Weekdays down, hours across, darker is more."""
    grid = pd.MultiIndex.from_product([range(1, 8), range(24)], names=["weekday", "hour"])
    frame = frame.set_index(["weekday", "hour"]).reindex(grid, fill_value=0).reset_index()
    frame["day"] = frame["weekday"].map(lambda d: _WEEKDAYS[d - 1])
    zone = options.parameters.get("tz", "UTC")
    return (
        alt.Chart(inline(frame))
        .mark_rect(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("hour:O", title=f"hour of the day ({zone})", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("day:O", title=None, sort=list(_WEEKDAYS)),
            color=alt.Color(
                "events_per_hour:Q",
                title=["changes", "per hour"],
                scale=alt.Scale(scheme="blues", domainMin=0, type="sqrt"),
                legend=alt.Legend(labelExpr=style.COUNT_LABEL),
            ),
        )
        .properties(width=options.width, height=options.height or 7 * 26)
    )


def distribution(frame: pd.DataFrame, options: Options) -> Any:
    """Classes down; files and bytes side by side, with their shares."""
    label = "size_class" if "size_class" in frame else "age_class"
    order = list(frame[label])
    parts = []
    for value, share, title, axis, colour in (
        ("files", "share_of_files", "files", COUNT_AXIS, style.BLUE),
        ("bytes", "share_of_bytes", "bytes", BYTES_AXIS, style.ORANGE),
    ):
        shown = frame[[label, value, share]].assign(percent=frame[share].map("{:.1%}".format))
        base = alt.Chart(inline(shown)).encode(
            x=alt.X(f"{value}:Q", title=title, axis=alt.Axis(tickCount=4, **axis)),
            y=alt.Y(
                f"{label}:N",
                sort=order,
                title=None,
                axis=alt.Axis(labels=value == "files", ticks=value == "files"),
            ),
        )
        labels = base.mark_text(align="left", dx=4, fontSize=11).encode(text="percent:N")
        parts.append(
            (base.mark_bar(color=colour) + labels).properties(
                width=options.width // 2 - 50, height=options.height or style.ROW * max(4, len(order)) + 20
            )
        )
    return alt.hconcat(*parts, spacing=30)


def preview(frame: pd.DataFrame, options: Options) -> Any:
    """Rules down, sensitivities across; the number is alerts a month."""
    frame = frame.assign(
        label=frame["alerts_per_month"].map(
            lambda n: "failed" if pd.isna(n) else f"{n:.1f}" if 0 < n < 10 else f"{n:,.0f}"
        ),
        rule=frame["rule"].str.replace("_", " "),
    )
    top = max(float(frame["alerts_per_month"].fillna(0).max()), 1.0)
    base = alt.Chart(inline(frame)).encode(
        x=alt.X("sensitivity:O", title="sensitivity (right: more alerts)", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("rule:N", title=None, sort=list(dict.fromkeys(frame["rule"]))),
    )
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color(
            "alerts_per_month:Q",
            title=["alerts", "per month"],
            scale=alt.Scale(scheme="blues", type="sqrt", domain=[0, top]),
        )
    )
    text = base.mark_text(fontSize=12).encode(
        text="label:N",
        color=alt.condition(f"datum.alerts_per_month > {top / 2}", alt.value("white"), alt.value("black")),
    )
    return (cells + text).properties(
        width=options.width, height=options.height or 30 * frame["rule"].nunique()
    )


def generic(frame: pd.DataFrame, options: Options) -> Any:
    """The first column against the first number; a time as a line, anything else as bars."""
    axis = str(frame.columns[0])
    numbers = [str(c) for c in frame.columns[1:] if pd.api.types.is_numeric_dtype(frame[c])]
    if not numbers:
        raise UsageError("Nothing to draw: after the first column there is no column of numbers")
    value = numbers[0]
    if pd.api.types.is_datetime64_any_dtype(frame[axis]):
        times = frame[axis]
        zone = "UTC" if times.dt.tz is not None else "as in the query"
        times = times.dt.tz_convert("UTC") if times.dt.tz is not None else times.dt.tz_localize("UTC")
        shown = pd.DataFrame({"time": times, "value": frame[value]})
        return (
            alt.Chart(inline(shown))
            .mark_line()
            .encode(
                x=alt.X(
                    "time:T",
                    title=f"{axis} ({zone})",
                    scale=alt.Scale(type="utc"),
                    axis=alt.Axis(**TIME_AXIS),
                ),
                y=alt.Y("value:Q", title=value, axis=alt.Axis(labelExpr=style.COUNT_LABEL)),
            )
            .properties(width=options.width, height=options.height or style.HEIGHT)
        )
    shown = pd.DataFrame({"label_from": frame[axis].astype(str), "value": frame[value]})
    return bar_chart(
        labelled(shown, "label_from", options), "value", value, {"labelExpr": style.COUNT_LABEL}, options
    )


def nothing(options: Options) -> Any:
    """An empty plot that says so."""
    return (
        alt.Chart(inline(pd.DataFrame({"text": ["no data"]})))
        .mark_text(fontSize=14, color=style.GREY)
        .encode(text="text:N")
        .properties(width=options.width, height=80)
    )
