"""Security descriptors in words: who may do what, and who gained or lost what between two of them.

Grammar and constants: Microsoft, [MS-DTYP] 2.5.1 "Security Descriptor Description Language" and
[MS-DTYP] 2.4.2.4 "Well-Known SID Structures"; the order in which entries count: [MS-DTYP] 2.5.3.2.
"""

from __future__ import annotations

from ctera_insights.insights.sddl.compare import BROAD_GROUPS, Difference, difference
from ctera_insights.insights.sddl.explain import UNREADABLE, Explanation, Grant, explain
from ctera_insights.insights.sddl.rights import rights_in_words
from ctera_insights.insights.sddl.sids import principal_name

__all__ = [
    "BROAD_GROUPS",
    "UNREADABLE",
    "Difference",
    "Explanation",
    "Grant",
    "difference",
    "explain",
    "principal_name",
    "rights_in_words",
]
