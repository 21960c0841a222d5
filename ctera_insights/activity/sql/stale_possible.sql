-- Whether any state may be older than one of the same object that came before: not where all states, and all known
-- ones, carry version stamps of one replica that only grow; nor where none carries any, and the Portal's times only grow.
WITH told AS (
    SELECT
        replica,
        version,
        modified,
        max(version) OVER w AS last_version,
        max(modified) OVER w AS last_modified
    FROM (
        SELECT pos, replica, version, modified FROM raw
        UNION ALL
        SELECT 0, max(replica), max(version), max(modified) FROM known
        UNION ALL
        SELECT 0, min(replica), NULL, NULL FROM known
    )
    WINDOW w AS (ORDER BY pos ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT
    NOT coalesce(
        CASE
            WHEN (SELECT count(*) FROM raw WHERE version IS NULL) + (SELECT count(*) FROM known WHERE version IS NULL) = 0
                THEN min(replica) = max(replica) AND bool_and(coalesce(version >= last_version, true))
            WHEN count(version) = 0 THEN bool_and(coalesce(modified >= last_modified, true))
        END,
        false
    )
FROM told
