-- The wanted folders and all above them, with what is known of each: from `folders`, or as the Portal's `ancestors` gave them.
INSERT INTO nodes
WITH RECURSIVE links AS MATERIALIZED (
    SELECT folder_id, guid, parent_guid FROM {folders}
    UNION ALL
    SELECT folder_id, guid, parent_guid
    FROM observed o
    ANTI JOIN {folders} f ON f.folder_id = o.folder_id AND f.guid = o.guid
),
upward AS (
    SELECT folder_id, guid FROM wanted
    UNION
    SELECT l.folder_id, l.parent_guid
    FROM upward u
    JOIN links l ON l.folder_id = u.folder_id AND l.guid = u.guid
    WHERE l.parent_guid IS NOT NULL
)
SELECT
    (SELECT count(*) FROM nodes) + row_number() OVER () - 1 AS node,
    w.folder_id,
    w.guid,
    coalesce(f.name, o.name, if(f.rid IS NULL AND o.guid IS NULL, NULL, '?')) AS name,
    if(f.rid IS NULL, o.parent_guid, f.parent_guid) AS parent_guid,
    coalesce(f.rooted, o.parent_guid IS NULL) AS rooted,
    if(f.rid IS NULL, if(o.deleted, o.pos, NULL), f.deleted_pos) AS deleted_pos,
    f.rid,
    f.rid IS NULL AND o.guid IS NOT NULL AS observed,
    f.path,
    f.gone_pos,
    f.missing
FROM (FROM upward u ANTI JOIN nodes n ON n.folder_id = u.folder_id AND n.guid = u.guid) w
LEFT JOIN {folders} f ON f.folder_id = w.folder_id AND f.guid = w.guid
LEFT JOIN observed o ON o.folder_id = w.folder_id AND o.guid = w.guid
