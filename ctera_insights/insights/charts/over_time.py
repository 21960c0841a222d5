"""Pictures over time: what happened when, how storage grew, which files came, how late the feed is."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import pandas as pd

from ctera_insights.insights.charts import style
from ctera_insights.insights.charts.common import (
    BYTES_AXIS,
    COUNT_AXIS,
    TIME_AXIS,
    Options,
    colours_of,
    inline,
    named,
    top_series,
)

_OFFSETS: Final = ("minutes", "hours", "days", "weeks", "months", "years")


def timeline(frame: pd.DataFrame, options: Options) -> Any:
    """Stacked bars over time, a colour a series."""
    by = str(options.parameters.get("by", "op"))
    frame = top_series(frame, "series", "events", (options.limit or 7) if by != "op" else 99)
    frame = frame.groupby(["time", "series"])["events"].sum().reset_index()
    domain, colours = colours_of(frame, "series", "events", by)
    frame = _piled(_intervals(frame, options), "events")
    return (
        alt.Chart(inline(frame))
        .mark_rect()
        .encode(
            x=_time_axis(options),
            x2="end",
            y=alt.Y("from:Q", title=f"observed changes per {_per(options)}", axis=alt.Axis(**COUNT_AXIS)),
            y2="to",
            color=alt.Color(
                "series:N",
                title={"op": "operation", "cloud_folder": "cloud folder"}.get(by, by),
                scale=alt.Scale(domain=domain, range=colours),
            ),
        )
        .properties(width=options.width, height=options.height or style.HEIGHT)
    )


def growth(frame: pd.DataFrame, options: Options) -> Any:
    """What is stored above; what came and went below, with the net as a stroke."""
    frame = _intervals(frame, options)
    frame["removed"] = -frame["bytes_removed"]
    zero = alt.Scale(zero=False, nice=True)
    span = [int(t.timestamp() * 1000) for t in (frame["time"].min(), frame["end"].max())]
    together = alt.Scale(type="utc", domain=span)
    total = (
        alt.Chart(inline(frame[["end", "total_bytes"]]))
        .mark_line(color=style.DARK)
        .encode(
            x=_time_axis(options, "end", title=None, scale=together),
            y=alt.Y("total_bytes:Q", title="bytes stored", scale=zero, axis=alt.Axis(**BYTES_AXIS)),
        )
        .properties(width=options.width, height=130)
    )
    long = frame.melt(["time", "end"], ["bytes_added", "removed"], "kind", "bytes").replace(
        {"kind": {"bytes_added": "added", "removed": "removed"}}
    )
    long["zero"] = 0
    scale = alt.Scale(domain=["added", "removed", "net"], range=[style.BLUE, style.RED, "black"])
    x = _time_axis(options, scale=together)
    churn = (
        alt.Chart(inline(long))
        .mark_rect()
        .encode(
            x=x,
            x2="end",
            y=alt.Y("zero:Q", title=f"bytes per {_per(options)}", axis=alt.Axis(**BYTES_AXIS)),
            y2="bytes",
            color=alt.Color("kind:N", title=None, scale=scale),
        )
    )
    net = (
        alt.Chart(inline(frame[["time", "end", "net_bytes"]].assign(kind="net")))
        .mark_rule(strokeWidth=2)
        .encode(x=x, x2="end", y="net_bytes:Q", color=alt.Color("kind:N", scale=scale))
    )
    below = (churn + net).properties(width=options.width, height=(options.height or 300) - 130)
    return alt.vconcat(total, below, spacing=12)


def drift(frame: pd.DataFrame, options: Options) -> Any:
    """Share of each extension among the files that came, over time."""
    frame = frame.assign(extension=named(frame["extension"]))
    domain, colours = colours_of(frame, "extension", "files", "extension")
    return (
        alt.Chart(inline(_piled(_intervals(frame, options), "share")))
        .mark_rect()
        .encode(
            x=_time_axis(options),
            x2="end",
            y=alt.Y("from:Q", title=f"share of new files per {_per(options)}", axis=alt.Axis(format="%"),
                    scale=alt.Scale(domain=[0, 1])),
            y2="to",
            color=alt.Color("extension:N", scale=alt.Scale(domain=domain, range=colours)),
        )
        .properties(width=options.width, height=options.height or style.HEIGHT)
    )  # fmt: skip


def lag(frame: pd.DataFrame, options: Options) -> Any:
    """Median and 95th percentile of the seconds from a change to its commit; logarithmic."""
    names = {"median_lag_s": "half within", "p95_lag_s": "95 % within"}
    long = frame.melt(["time"], list(names), "which", "seconds").replace({"which": names})
    long["time"] = long["time"].dt.tz_localize("UTC")
    return (
        alt.Chart(inline(long))
        .mark_line(point=True)
        .encode(
            x=_time_axis(options),
            y=alt.Y("seconds:Q", title="lag, seconds (log scale)", scale=alt.Scale(type="symlog"),
                    axis=alt.Axis(labelExpr="format(datum.value, '~g')", tickCount=5)),
            color=alt.Color("which:N", title=None,
                            scale=alt.Scale(domain=list(names.values()), range=[style.BLUE, style.ORANGE])),
        )
        .properties(width=options.width, height=options.height or style.HEIGHT)
    )  # fmt: skip


def _intervals(frame: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Local times as if they were UTC, so that the drawing machine's zone shifts none; and interval ends."""
    every = str(options.parameters.get("every", "1 day"))
    amount, _, unit = every.partition(" ")
    unit = unit.rstrip("s") + "s"
    whole: dict[str, Any] = {unit: int(float(amount or 1))}
    offset: Any = pd.DateOffset(**whole) if unit in _OFFSETS else pd.Timedelta(every)
    frame = frame.copy()
    frame["time"] = frame["time"].dt.tz_localize("UTC")
    frame["end"] = frame["time"] + offset
    return frame


def _per(options: Options) -> str:
    every = str(options.parameters.get("every", "1 day"))
    return every.removeprefix("1 ")


def _time_axis(options: Options, field: str = "time", **overrides: Any) -> Any:
    title = f"time ({options.parameters.get('tz', 'UTC')})"
    return alt.X(
        f"{field}:T",
        **{"title": title, "scale": alt.Scale(type="utc"), "axis": alt.Axis(**TIME_AXIS)} | overrides,
    )


def _piled(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """Where each series begins and ends on the pile of its interval, by rank."""
    frame = frame.sort_values(["time", "rank"])
    frame["to"] = frame.groupby("time")[value].cumsum()
    frame["from"] = frame["to"] - frame[value]
    return frame
