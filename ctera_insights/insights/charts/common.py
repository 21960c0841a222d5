"""What the kinds of pictures share.

Altair's charts are typed ``Any`` here: its own types leave most calls open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import altair as alt
import pandas as pd

from ctera_insights.insights.charts import style

if TYPE_CHECKING:
    from collections.abc import Mapping

BYTES_AXIS: Final[dict[str, Any]] = {"labelExpr": style.BYTES_LABEL}
COUNT_AXIS: Final[dict[str, Any]] = {"labelExpr": style.COUNT_LABEL, "tickMinStep": 1}
TIME_AXIS: Final[dict[str, Any]] = {
    "tickCount": 8,
    "labelOverlap": True,
    "format": {
        "year": "%Y",
        "quarter": "%b %Y",
        "month": "%b %Y",
        "week": "%d %b",
        "date": "%d %b",
        "day": "%d %b",
        "hours": "%H:%M",
        "minutes": "%H:%M",
        "seconds": "%H:%M:%S",
    },
}


@dataclass(frozen=True, slots=True)
class Options:
    """How large, how many, and with which parameters of the analysis."""

    width: int
    height: int | None
    limit: int | None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def drawable(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with numbers as numpy has them: what is missing, or larger than 64 bits, as a float."""
    made = frame.copy()
    for column in made.columns:
        kind = made[column].dtype
        if isinstance(kind, pd.api.extensions.ExtensionDtype) and pd.api.types.is_numeric_dtype(kind):
            made[column] = made[column].astype("float64" if made[column].hasnans else "int64")
    return made


def inline(frame: pd.DataFrame) -> Any:
    """The rows inline: a picture is drawn from as many as it needs, and fetches nothing."""
    plain = frame.copy()
    for column in plain.columns:
        if isinstance(plain[column].dtype, pd.DatetimeTZDtype):
            plain[column] = plain[column].map(lambda t: t.isoformat())
    rows: Any = plain.astype(object).where(plain.notna(), None).to_dict("records")
    return alt.InlineData(values=rows)


def labelled(frame: pd.DataFrame, column: str, options: Options, *, shorten: bool = True) -> pd.DataFrame:
    """The first rows with a ``label`` that is short and unique."""
    frame = frame.head(options.limit or 30).copy()
    seen: dict[str, int] = {}
    labels = []
    for text in frame[column].fillna("(unknown)"):
        label = style.shortened(str(text)) if shorten else str(text)
        seen[label] = seen.get(label, 0) + 1
        labels.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    frame["label"] = labels
    return frame


def named(series: pd.Series[Any], empty: str = "(none)") -> pd.Series[Any]:
    """Names of series, each short, visible and its own."""
    names: dict[str, str] = {}
    for text in dict.fromkeys(series.dropna()):
        name = short = style.shortened(str(text), style.SERIES_CHARACTERS) or empty
        number = 1
        while name in names.values():
            number += 1
            name = f"{short} ({number})"
        names[text] = name
    return series.map(names).fillna("(unknown)")


def top_series(frame: pd.DataFrame, column: str, value: str, limit: int) -> pd.DataFrame:
    """The largest series, and all others as one."""
    frame = frame.assign(**{column: named(frame[column])})
    totals = frame.groupby(column)[value].sum().sort_values(ascending=False, kind="stable")
    if len(totals) > limit:
        frame[column] = frame[column].where(frame[column].isin(totals.index[:limit]), style.OTHER)
    return frame


def colours_of(frame: pd.DataFrame, column: str, value: str, by: str) -> tuple[list[str], list[str]]:
    """Series from the largest down, the rest last, and a fixed colour each; adds their rank to the frame."""
    totals = frame.groupby(column)[value].sum().sort_values(ascending=False, kind="stable")
    domain = [str(name) for name in totals.index if name != style.OTHER]
    if by == "op":
        domain = [op for op in style.OPERATION_COLOURS if op in domain]
        colours = [style.OPERATION_COLOURS[op] for op in domain]
    else:
        colours = [style.PALETTE[i % len(style.PALETTE)] for i in range(len(domain))]
    if style.OTHER in totals.index:
        domain.append(style.OTHER)
        colours.append("#CCCCCC")
    frame["rank"] = frame[column].map({name: i for i, name in enumerate(domain)})
    return domain, colours
