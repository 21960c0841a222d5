"""A real directory tree, shown as a cloud folder and watched."""

from ctera_insights.simulator.sources.directory.source import DirectorySource

__all__ = ["DirectorySource"]
