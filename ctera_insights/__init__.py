"""File activity of a CTERA Portal: collected exactly once, kept as open tables, explored in Jupyter."""

__version__ = "0.1.0.dev0"
