-- An object and all above it as they are now, in no order: a loop is gone round once. Where several feeds know it, the latest
-- counts.
WITH RECURSIVE known AS MATERIALIZED (
    SELECT * REPLACE ({parent} AS parent_guid)
    FROM objects
    WHERE folder_id = $folder_id AND (type <> 'file' OR guid = $guid)
),
up AS (
    (
        SELECT feed, guid, parent_guid
        FROM known
        WHERE guid = $guid
        ORDER BY portal_modified_date DESC NULLS LAST, feed
        LIMIT 1
    )
    UNION
    SELECT k.feed, k.guid, k.parent_guid
    FROM up
    JOIN known k ON k.feed = up.feed AND k.guid = up.parent_guid AND k.type <> 'file'
)
SELECT
    type, guid, deleted, name, folder_id, parent_guid, id, size, 
    strftime(file_timestamp, '%Y-%m-%dT%H:%M:%S.%fZ'), strftime(portal_modified_date, '%Y-%m-%dT%H:%M:%S.%fZ'), acl
FROM known
SEMI JOIN up ON up.feed = known.feed AND up.guid = known.guid
