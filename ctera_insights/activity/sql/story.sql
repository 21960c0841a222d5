-- What ever happened to the wanted folders and to all that was ever above them: the Portal's answer, which comes before all, and
-- the feed's changes.
CREATE OR REPLACE TEMP TABLE story AS
WITH RECURSIVE ever AS MATERIALIZED (
    SELECT 0::BIGINT AS pos, folder_id, guid, name, parent_guid, false AS deleted
    FROM observed
    UNION ALL
    SELECT pos, coalesce(folder_id, -1), guid, name, {parent}, deleted
    FROM {rows}
    WHERE feed = {feed} AND coalesce(type, 'file') <> 'file' AND (op <> 'unchanged' OR old_path IS NOT NULL)
),
links AS MATERIALIZED (SELECT DISTINCT folder_id, guid, parent_guid FROM ever),
upward AS (
    SELECT folder_id, guid FROM wanted
    UNION
    SELECT l.folder_id, l.parent_guid
    FROM upward u
    JOIN links l ON l.folder_id = u.folder_id AND l.guid = u.guid
    WHERE l.parent_guid IS NOT NULL
)
SELECT e.pos, u.folder_id, u.guid, e.name, e.parent_guid, e.deleted
FROM upward u
LEFT JOIN ever e ON e.folder_id = u.folder_id AND e.guid = u.guid
