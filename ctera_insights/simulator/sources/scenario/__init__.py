"""Generated offices: months of work on cloud folders, with what goes wrong planted in it."""

from ctera_insights.simulator.sources.scenario.incidents import Incident
from ctera_insights.simulator.sources.scenario.scripts import SCENARIOS, Script
from ctera_insights.simulator.sources.scenario.source import ScenarioSource

__all__ = ["SCENARIOS", "Incident", "ScenarioSource", "Script"]
