"""What looks like an incident: rules with a stated source, one sensitivity, a preview, evidence."""

from __future__ import annotations

from ctera_insights.insights.detections.detect import detect
from ctera_insights.insights.detections.preview import SENSITIVITIES, preview
from ctera_insights.insights.detections.rules import RULES, Rule

__all__ = ["RULES", "SENSITIVITIES", "Rule", "detect", "preview"]
