"""``python -m ctera_insights``: the same as the command ``ctera-insights``."""

from ctera_insights.cli import main

if __name__ == "__main__":
    main()
