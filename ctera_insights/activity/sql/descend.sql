-- All that lies below the folders that change.
INSERT INTO below
WITH RECURSIVE links AS MATERIALIZED (
    SELECT folder_id, guid, parent_guid FROM {folders} WHERE parent_guid IS NOT NULL
),
downward AS (
    SELECT folder_id, guid FROM below
    UNION
    SELECT l.folder_id, l.guid
    FROM downward d
    JOIN links l ON l.folder_id = d.folder_id AND l.parent_guid = d.guid
)
FROM downward d
ANTI JOIN below b ON b.folder_id = d.folder_id AND b.guid = d.guid
