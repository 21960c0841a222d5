-- Known and new states together, without the stale ones: those older than a state of the same object that came
-- before. Version stamps of one replica decide; otherwise the Portal's times do. An inventory is always believed.
CREATE OR REPLACE TEMP TABLE states AS
WITH told AS (
    SELECT true AS old, * FROM known
    UNION ALL BY NAME
    SELECT false AS old, NULL AS rid, collected_at AS first_seen_at, * FROM raw
)
SELECT
    *,
    NOT old AND NOT $believed AND coalesce(
        CASE
            WHEN
                version IS NOT NULL AND count(version) OVER past = count(*) OVER past
                AND min(replica) OVER past = replica AND max(replica) OVER past = replica
                THEN version < max(version) OVER past
            ELSE modified < max(modified) OVER past
        END,
        false
    ) AS stale
FROM told
WINDOW past AS (PARTITION BY folder_id, guid ORDER BY pos ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
