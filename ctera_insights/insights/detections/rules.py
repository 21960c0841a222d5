"""The rules: what each counts in an hour, and when that is unusual.

One statement holds for all of them. Let ``value`` be what the rule counts in one cloud folder and one hour.
It is compared with what is usual there: the median of the 240 hours before in which there was anything to
count (quiet hours are added where there were fewer than 48), or the median of the same hour of the last 12
weeks, whichever is larger; so neither a busy folder nor a weekly job raises an alert. The distance is
measured in robust standard deviations, 1.4826 times the median absolute deviation, never less than ``minimum
/ threshold``:

    score = (value - expected) / max(1.4826 * MAD, minimum / threshold)

A rule fires when ``value >= minimum / sensitivity`` and ``score >= threshold / sensitivity``.

Sources: the modified z-score and its constant from B. Iglewicz and D. Hoaglin, "How to Detect and Handle
Outliers", 1993 (they call 3.5 an outlier; file activity has heavier tails, so 10 is asked for here). The
marks of ransomware (bulk rewrites, renames to one new extension, deletion of originals) from N. Scaife et
al., "CryptoLock (and Drop It)", ICDCS 2016, and A. Kharraz et al., "UNVEIL", USENIX Security 2016. Technique
names from MITRE ATT&CK.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: as in an alert.
        title: in words.
        unit: of the value, with ``(s)`` for the plural; ``bytes`` for volumes.
        minimum: the least value in an hour that raises an alert at sensitivity 1.
        threshold: the least score at sensitivity 1.
        counts: SQL over the tables of ``hourly.sql``: ``cloud_folder, hour, value``.
        condition: SQL over ``activity`` of the changes that are its evidence.
        meaning: what may be behind it, with the technique's name where it has one.
    """

    name: str
    title: str
    unit: str
    minimum: float
    threshold: float
    counts: str
    condition: str
    meaning: str

    @property
    def floor(self) -> float:
        """The least spread that a score is measured in."""
        return self.minimum / self.threshold


RULES: Final = (
    Rule(
        "mass_deletion",
        "Mass deletion",
        "deletion(s)",
        100,
        10,
        """SELECT cloud_folder, hour, deleted AS value FROM counted
            UNION ALL
            SELECT cloud_folder, epoch_us("at") // 3600000000 AS hour, count(*)
            FROM untold WHERE phase = 'live' GROUP BY cloud_folder, hour
            UNION ALL
            SELECT cloud_folder, gone_hour AS hour, -count(*) FROM swapped GROUP BY cloud_folder, hour""",
        "op = 'deleted'",
        "many files went within an hour (ATT&CK T1485, data destruction)",
    ),
    Rule(
        "mass_rename",
        "Mass rename or move",
        "rename(s) or move(s)",
        50,
        10,
        "SELECT cloud_folder, hour, renamed AS value FROM counted",
        "op IN ('renamed', 'moved')",
        "many files changed their names or places within an hour",
    ),
    Rule(
        "new_extension",
        "Burst of a new extension",
        "file(s)",
        20,
        10,
        """SELECT cloud_folder, hour, retyped.renamed + least(retyped.created, coalesce(deleted, 0)) AS value
            FROM retyped LEFT JOIN counted USING (cloud_folder, hour)""",
        """type = 'file' AND (op = 'created'
            OR (op IN ('renamed', 'moved') AND NOT ends_with(lower(old_path), '.' || extension)))""",
        "files took an extension that was never seen before (ATT&CK T1486, data encrypted for impact)",
    ),
    Rule(
        "rewrite_burst",
        "Burst of rewrites with sizes unchanged",
        "file(s)",
        100,
        10,
        "SELECT cloud_folder, hour, files AS value FROM rewritten",
        """op = 'modified' AND type = 'file' AND size > 0
            AND size_delta BETWEEN -least(1024, size // 100) AND least(1024, size // 100)""",
        "many files were written again at the same size, as encryption in place does (ATT&CK T1486)",
    ),
    Rule(
        "sudden_growth",
        "Sudden growth",
        "bytes",
        10e9,
        10,
        """SELECT cloud_folder, hour, grown AS value FROM counted
            UNION ALL
            SELECT cloud_folder, came_hour AS hour, -sum(size) FROM swapped GROUP BY cloud_folder, hour""",
        "size_delta > 0",
        "much more data came within an hour than is usual",
    ),
    Rule(
        "permission_opening",
        "Permissions opened to everyone",
        "file(s) or folder(s)",
        1,
        1,
        "SELECT cloud_folder, hour, objects AS value FROM opened",
        "acl_changed AND md5(strlen(acl) || ' ' || acl || old_acl) IN (SELECT unnest($opening::VARCHAR[]))",
        "a broad group such as Everyone gained rights (ATT&CK T1222, permissions modification)",
    ),
)
BY_NAME: Final = {rule.name: rule for rule in RULES}
