"""Whether a cell is run by a program (papermill, nbconvert) rather than by a page that can show widgets."""

from __future__ import annotations

import os
import sys


def is_headless() -> bool:
    """Whether nothing that shows widgets asked for the running cell.

    Pages name the cell in their request, programs that execute notebooks do not. Voila executes like a
    program and shows widgets all the same; it says so in the environment.
    """
    if "IPython" not in sys.modules or "VOILA_PREHEAT" in os.environ:
        return False
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return True
    request = kernel.get_parent()
    return "cellId" not in request.get("metadata", {})
