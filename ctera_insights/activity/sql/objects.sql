-- The new rows of `objects`: the last change of each object, and what the Portal's `ancestors` told for the first time.
WITH last AS (
    SELECT folder_id, guid, max(pos) AS pos
    FROM changes
    WHERE NOT repeated
    GROUP BY ALL
),
states AS (
    SELECT
        c.folder_id, c.guid, c.type, c.name, c.is_folder, c.parent_guid, c.size, c.deleted, c.file_timestamp,
        c.modified, c.seen_at, c.id, c.acl, c.gvsn, c.pos, c.known_rid
    FROM changes c
    JOIN last USING (folder_id, guid, pos)
    WHERE NOT c.repeated
    UNION ALL
    SELECT
        o.folder_id, o.guid, o.type, o.name, true, o.parent_guid, o.size, o.deleted, o.file_timestamp,
        o.portal_modified_date, o.observed_at, o.id, o.acl, o.gvsn, o.pos, NULL
    FROM observed o
    SEMI JOIN nodes n ON n.folder_id = o.folder_id AND n.guid = o.guid AND n.observed
    ANTI JOIN last ON last.folder_id = o.folder_id AND last.guid = o.guid
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
ORDER BY c.folder_id, directory, c.name, c.guid
