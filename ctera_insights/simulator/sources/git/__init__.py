"""A repository's history, replayed as activity."""

from ctera_insights.simulator.sources.git.source import GitSource

__all__ = ["GitSource"]
