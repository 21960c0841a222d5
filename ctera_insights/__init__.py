"""File activity of a CTERA Portal: collected exactly once, kept as open tables, explored in Jupyter."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0.dev0"


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext ctera_insights``: the ``%%insights`` magic."""
    from ctera_insights.insights.magics import load_ipython_extension as load

    load(shell)
