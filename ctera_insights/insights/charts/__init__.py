"""Pictures of results: drawn with Vega-Lite, rendered offline, legible wherever a notebook is shown."""

from __future__ import annotations

from ctera_insights.insights.charts.draw import draw
from ctera_insights.insights.charts.picture import Picture

__all__ = ["Picture", "draw"]
