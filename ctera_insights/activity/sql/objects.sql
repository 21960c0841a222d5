-- The new rows of `objects`: the last change of each object, and what the Portal's `ancestors` told for the first time;
-- what lies in one directory stands together.
WITH last AS (
    SELECT folder_id, guid, max(pos) AS pos
    FROM changes
    WHERE NOT repeated AND NOT solo
    GROUP BY ALL
),
states AS (
    SELECT
        c.folder_id, c.guid, c.type, c.name, c.is_folder, c.parent_guid, c.size, c.deleted, c.file_timestamp, c.modified,
        c.seen_at, c.id, c.acl, c.gvsn, c.pos, c.known_rid, c.row
    FROM changes c
    WHERE solo AND NOT repeated
    UNION ALL
    SELECT
        c.folder_id, c.guid, c.type, c.name, c.is_folder, c.parent_guid, c.size, c.deleted, c.file_timestamp, c.modified,
        c.seen_at, c.id, c.acl, c.gvsn, c.pos, c.known_rid, c.row
    FROM changes c
    JOIN last USING (folder_id, guid, pos)
    WHERE NOT solo AND NOT repeated
    UNION ALL
    SELECT
        o.folder_id, o.guid, o.type, o.name, true, o.parent_guid, o.size, o.deleted, o.file_timestamp,
        o.portal_modified_date, o.observed_at, o.id, o.acl, o.gvsn, o.pos, NULL, NULL
    FROM observed o
    SEMI JOIN nodes n ON n.folder_id = o.folder_id AND n.guid = o.guid AND n.observed
    ANTI JOIN named ON named.folder_id = o.folder_id AND named.guid = o.guid
    ANTI JOIN {known} k ON k.folder_id = o.folder_id AND k.guid = o.guid
)
SELECT
    $feed AS feed,
    nullif(c.folder_id, -1) AS folder_id,
    c.guid,
    c.type,
    c.name,
    {extension} AS extension,
    c.parent_guid,
    if(c.is_folder, c.guid, c.parent_guid) AS directory,
    c.size,
    c.deleted,
    c.file_timestamp,
    c.modified AS portal_modified_date,
    c.seen_at AS first_seen_at,
    c.id,
    c.acl,
    c.gvsn,
    $high AS batch,
    c.pos,
    $rid + row_number() OVER () AS rid,
    c.known_rid AS replaces
FROM states c
LEFT JOIN answers a ON a.row = c.row AND NOT a.old
ORDER BY c.folder_id, a.place
