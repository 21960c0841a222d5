-- An object and all above it as they are now, from the top down. Where several feeds know it, the latest counts.
WITH RECURSIVE directories AS MATERIALIZED (
    SELECT * FROM objects WHERE folder_id = $folder_id AND type <> 'file'
),
up AS (
    (
        SELECT *, 0 AS level
        FROM objects
        WHERE folder_id = $folder_id AND guid = $guid
        ORDER BY portal_modified_date DESC NULLS LAST, feed
        LIMIT 1
    )
    UNION ALL
    SELECT d.*, up.level + 1
    FROM up
    JOIN directories d ON d.feed = up.feed AND d.guid = up.parent_guid
    WHERE up.level < 1000
)
SELECT
    type, guid, deleted, name, folder_id, parent_guid, id, size,
    strftime(file_timestamp, '%Y-%m-%dT%H:%M:%S.%fZ'), strftime(portal_modified_date, '%Y-%m-%dT%H:%M:%S.%fZ'), acl
FROM up
ORDER BY level DESC
