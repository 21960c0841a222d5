"""Alerts as one message that chat receivers take: the same for the same alerts, and never too large.

Microsoft Teams takes 28 kB, Slack 40,000 characters of text; what they refuse nobody reads.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ctera_insights.insights.charts.style import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctera_insights.insights.alerts import Alert, Alerts

MOST_BYTES: Final = 28_000
_TEXT_WIDTH: Final = 200
# How much evidence each alert carries, and how many the text tells of: less and less until it fits.
_STEPS: Final = ((5, 1_000), (3, 20), (1, 10), (0, 10))


def payload(alerts: Alerts, most_bytes: int = MOST_BYTES) -> bytes:
    """The JSON document to send.

    Every alert is in it as long as there is room, with less and less evidence; then the strongest of them.
    ``left_out`` counts the others, and the text says how to see them.
    """
    whole = json.dumps(alerts.as_dict() | {"left_out": 0}, ensure_ascii=False).encode()
    if len(whole) <= most_bytes:
        return whole
    strongest = sorted(alerts, key=lambda alert: -alert.score)
    for evidence, told in _STEPS:
        body = _document(alerts, list(alerts), strongest[:told], evidence)
        if len(body) <= most_bytes:
            return body
    kept = len(strongest)
    while kept and len(body) > most_bytes:
        kept = kept * 3 // 4
        chosen = [alert for alert in alerts if alert in strongest[:kept]]
        body = _document(alerts, chosen, strongest[: min(kept, 10)], 0)
    return body


def _document(alerts: Alerts, sent: Sequence[Alert], told: Sequence[Alert], evidence: int) -> bytes:
    return json.dumps(
        {
            "subject": alerts.subject(),
            "sensitivity": alerts.sensitivity,
            "period": shortened(alerts.period, _TEXT_WIDTH),
            "text": _text(alerts, told),
            "alerts": [_brief(alert, evidence) for alert in sent],
            "left_out": len(alerts) - len(sent),
            "failures": [
                {"rule": failure.rule, "reason": shortened(failure.reason, _TEXT_WIDTH)}
                for failure in alerts.failures
            ],
            "unreadable_permissions": {"changes": alerts.unreadable.changes} if alerts.unreadable else None,
            "lacks": shortened(alerts.lacks, _TEXT_WIDTH) or None,
        },
        ensure_ascii=False,
    ).encode()


def _text(alerts: Alerts, told: Sequence[Alert]) -> str:
    """The text with the strongest alerts only, in their order."""
    shown = [alert for alert in alerts if alert in told]
    parts = [alerts.heading()]
    parts += [
        "\n".join(shortened(line, _TEXT_WIDTH) for line in alerts.paragraph(n, alert).splitlines()[:4])
        for n, alert in enumerate(shown, 1)
    ]
    if len(shown) < len(alerts):
        parts.append(
            f"And {len(alerts) - len(shown):,} weaker ones: `ctera-insights alerts` tells all of them."
        )
    parts += [shortened(trouble, 2 * _TEXT_WIDTH) for trouble in alerts.troubles()]
    return "\n\n".join(parts) + "\n"


def _brief(alert: Alert, evidence: int) -> dict[str, Any]:
    told = alert.as_dict()
    if alert.cloud_folder is not None:
        told["cloud_folder"] = shortened(alert.cloud_folder, _TEXT_WIDTH)
    for name in ("folders", "sample_paths"):
        told[name] = [shortened(path, _TEXT_WIDTH) for path in told[name][:evidence]]
    if not evidence:
        del told["meaning"]
    return told
