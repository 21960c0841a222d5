-- The wanted folders with what is known of them: from `folders`, or as the Portal's `ancestors` gave them.
CREATE OR REPLACE TEMP TABLE fresh AS
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
FROM wanted w
LEFT JOIN {folders} f ON f.folder_id = w.folder_id AND f.guid = w.guid
LEFT JOIN observed o ON o.folder_id = w.folder_id AND o.guid = w.guid
