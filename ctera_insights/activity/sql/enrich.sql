-- Paths of given events: as they were then where `activity` tells them, otherwise in the tree as it is now.
WITH events AS (
    SELECT * REPLACE ({parent} AS parent_guid) FROM asked
),
directories AS (
    SELECT folder_id, guid, path, cloud_folder
    FROM folders
    QUALIFY row_number() OVER (PARTITION BY folder_id, guid ORDER BY portal_modified_date DESC NULLS LAST, feed) = 1
)
SELECT
    coalesce(
        a.path,
        CASE
            WHEN e.parent_guid IS NULL THEN if(e.type <> 'file', '', '?/')
            ELSE coalesce(d.path, '?/' || {directory}) || '/'
        END || {name}
    ) AS path,
    CASE
        WHEN a.path IS NOT NULL THEN a.cloud_folder
        WHEN e.parent_guid IS NULL THEN if(e.type <> 'file', {name}, NULL)
        ELSE d.cloud_folder
    END AS cloud_folder,
    {extension} AS extension
FROM events e
LEFT JOIN {told} a ON {same}
LEFT JOIN directories d ON d.folder_id = e.folder_id AND d.guid = e.parent_guid
ORDER BY e.row
