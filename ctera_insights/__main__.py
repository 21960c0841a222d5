"""``ctera-insights``, and ``python -m ctera_insights``: the way into the command line."""

from __future__ import annotations

import sys
from typing import NoReturn

_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line; Ctrl-C is heard in words already while it is being loaded."""
    try:
        from ctera_insights.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
