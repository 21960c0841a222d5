-- Known and new states of busy objects together, without the stale ones: those older than a state of the same object that came
-- before. Version stamps of one replica decide; otherwise the Portal's times do. An inventory is always believed.
CREATE OR REPLACE TEMP TABLE states AS
WITH told AS (
    SELECT true AS old, * FROM known
    UNION ALL BY NAME
    SELECT false AS old, NULL AS rid, collected_at AS first_seen_at, *
    FROM raw
    SEMI JOIN busy ON busy.folder_id = raw.folder_id AND busy.guid = raw.guid
)
SELECT *, {stale} AS stale
FROM told
WINDOW past AS (PARTITION BY folder_id, guid ORDER BY pos ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
