-- Restores
-- Question: What came back after it was deleted, and how long was it gone?
-- Columns:
--   at: when it came back, UTC
--   cloud_folder: cloud folder
--   path: where it came back
--   type: file or folder
--   size: bytes
--   deleted_at: when it was seen deleted, UTC; null where that was before the first collection
--   gone_hours: hours between
-- Parameters:
--   limit: number of restores, latest first
-- Caveats: A restore from outside, under a new identity, looks like a new file.
-- Picture: none
WITH back AS (
    SELECT feed, pos, "at", cloud_folder, path, type, size, folder_id, guid
    FROM changes
    WHERE op = 'restored'
    ORDER BY "at" DESC, feed, pos DESC
    LIMIT $limit
),
deletions AS (
    SELECT feed, folder_id, guid, pos, "at"
    FROM story
    WHERE op = 'deleted'
)
SELECT
    back.at AS "at",
    any_value(back.cloud_folder) AS cloud_folder,
    any_value(back.path) AS path,
    any_value(back.type) AS type,
    any_value(back.size) AS size,
    max(deletions.at) AS deleted_at,
    (epoch_us(back.at) - epoch_us(max(deletions.at))) / 3600e6 AS gone_hours
FROM back
LEFT JOIN deletions
    ON deletions.folder_id = back.folder_id AND deletions.guid = back.guid
    AND deletions.feed = back.feed AND deletions.pos < back.pos
GROUP BY back.feed, back.pos, back.at
ORDER BY back.at DESC, back.feed, back.pos DESC
