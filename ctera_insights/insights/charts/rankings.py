"""Pictures of rankings: folders, files, types and operations, the largest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from ctera_insights.insights.charts import style
from ctera_insights.insights.charts.common import BYTES_AXIS, COUNT_AXIS, Options, inline, labelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


def operations(frame: pd.DataFrame, options: Options) -> Any:
    """A bar an operation, with its number."""
    frame = frame.groupby("op")["events"].sum().reset_index().sort_values("events", ascending=False)
    frame["label"] = frame["events"].map("{:,}".format)
    ops = list(frame["op"])
    base = alt.Chart(inline(frame)).encode(
        x=alt.X("events:Q", title="observed changes", axis=alt.Axis(**COUNT_AXIS)),
        y=alt.Y("op:N", title=None, sort=ops),
    )
    colours = [style.OPERATION_COLOURS.get(op, style.GREY) for op in ops]
    bars = base.mark_bar().encode(
        color=alt.Color("op:N", scale=alt.Scale(domain=ops, range=colours), legend=None)
    )
    return _sized(
        bars + base.mark_text(align="left", dx=4, fontSize=11).encode(text="label:N"), frame, options
    )


def bars(frame: pd.DataFrame, options: Options) -> Any:
    """Folders or files by number of changes; folders split by what was done."""
    label = "folder" if "folder" in frame else "path"
    frame = labelled(frame, label, options)
    if "created" not in frame:
        return bar_chart(frame, "events", "observed changes", COUNT_AXIS, options)
    kinds = {
        "created": style.GREEN,
        "modified": style.BLUE,
        "renamed or moved": style.ORANGE,
        "deleted": style.RED,
        "other": style.DARK,
    }
    frame = frame.rename(columns={"renamed_or_moved": "renamed or moved"})
    frame["other"] = frame["events"] - frame[list(kinds)[:4]].sum(axis=1)
    return _stacked(frame, kinds, "observed changes", COUNT_AXIS, options, legend="operation")


def bytes_bars(frame: pd.DataFrame, options: Options) -> Any:
    """Extensions by bytes."""
    frame = frame.assign(extension=frame["extension"].replace("", "(none)"))
    return bar_chart(labelled(frame, "extension", options), "bytes", "bytes stored", BYTES_AXIS, options)


def size_bars(frame: pd.DataFrame, options: Options) -> Any:
    """Files by size."""
    return bar_chart(labelled(frame, "path", options), "size", "size, bytes", BYTES_AXIS, options)


def growth_bars(frame: pd.DataFrame, options: Options) -> Any:
    """Folders by net growth, shrinking ones to the left."""
    chart = bar_chart(
        labelled(frame, "folder", options), "net_bytes", "net growth, bytes", BYTES_AXIS, options
    )
    return chart.encode(
        color=alt.condition("datum.net_bytes >= 0", alt.value(style.BLUE), alt.value(style.RED))
    )


def stale(frame: pd.DataFrame, options: Options) -> Any:
    """Folders by bytes, the stale part first."""
    days = f"unchanged for {options.parameters.get('stale_days', 365):g} days"
    frame = labelled(frame, "folder", options)
    frame[days], frame["younger"] = frame["stale_bytes"], frame["bytes"] - frame["stale_bytes"]
    return _stacked(
        frame, {days: style.ORANGE, "younger": style.SKY}, "bytes stored", BYTES_AXIS, options, legend="age"
    )


def temperature(frame: pd.DataFrame, options: Options) -> Any:
    """Cloud folders by bytes, split into hot, warm and cold."""
    wide = frame.pivot_table(
        index="cloud_folder", columns="temperature", values="bytes", aggfunc="sum", sort=False, fill_value=0
    ).reset_index()
    hot, warm = options.parameters.get("hot_days", 7), options.parameters.get("warm_days", 30)
    names = {
        "hot": f"hot (under {hot:g} days)",
        "warm": f"warm (under {warm:g} days)",
        "cold": f"cold ({warm:g} days and more)",
    }
    for kind, name in names.items():
        wide[name] = wide.get(kind, 0)
    colours = {names[kind]: colour for kind, colour in style.TEMPERATURE_COLOURS.items()}
    wide = labelled(wide, "cloud_folder", options)
    return _stacked(wide, colours, "bytes stored", BYTES_AXIS, options, legend="last changed")


def flows(frame: pd.DataFrame, options: Options) -> Any:
    """Pairs of folders by what wandered between them, and renames in place."""
    half = style.LABEL_CHARACTERS // 2 + 4
    frame = frame.rename(columns={"moves": "moved", "renames": "renamed in place"})
    frame["pair"] = [
        f"{style.shortened(a, half)} → {style.shortened(b, half)}" if a != b else style.shortened(a)
        for a, b in zip(frame["from_folder"], frame["to_folder"], strict=True)
    ]
    frame = labelled(frame, "pair", options, shorten=False)
    colours = {"moved": style.ORANGE, "renamed in place": style.SKY}
    return _stacked(frame, colours, "observed changes", COUNT_AXIS, options, legend="operation")


def bar_chart(frame: pd.DataFrame, value: str, title: str, axis: Mapping[str, Any], options: Options) -> Any:
    """A bar for each row of a labelled frame."""
    chart = (
        alt.Chart(inline(frame[["label", value]]))
        .mark_bar()
        .encode(
            x=alt.X(f"{value}:Q", title=title, axis=alt.Axis(tickCount=6, **axis)),
            y=alt.Y("label:N", title=None, sort=list(frame["label"])),
        )
    )
    return _sized(chart, frame, options)


def _stacked(
    frame: pd.DataFrame,
    parts: Mapping[str, str],
    title: str,
    axis: Mapping[str, Any],
    options: Options,
    *,
    legend: str,
) -> Any:
    names: Sequence[str] = [name for name in parts if frame[name].any()] or list(parts)
    long = frame.melt(["label"], list(names), "part", "value")
    long["rank"] = long["part"].map({name: i for i, name in enumerate(names)})
    scale = alt.Scale(domain=list(names), range=[parts[name] for name in names])
    chart = (
        alt.Chart(inline(long))
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=title, axis=alt.Axis(tickCount=6, **axis)),
            y=alt.Y("label:N", title=None, sort=list(frame["label"])),
            color=alt.Color("part:N", title=legend, scale=scale),
            order=alt.Order("rank:Q"),
        )
    )
    return _sized(chart, frame, options)


def _sized(chart: Any, frame: pd.DataFrame, options: Options) -> Any:
    """As high as its rows need; narrower than a timeline, because labels stand beside it."""
    return chart.properties(
        width=int(options.width * 0.72), height=options.height or max(3, len(frame)) * style.ROW
    )
