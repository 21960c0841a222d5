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
    SELECT feed, "at", seq, cloud_folder, path, type, size, folder_id, guid
    FROM changes
    WHERE op = 'restored'
    ORDER BY "at" DESC, feed, seq DESC
    LIMIT $limit
),
deletions AS (
    SELECT feed, folder_id, guid, "at"
    FROM story
    WHERE op = 'deleted'
)
SELECT
    back.at AS "at",
    back.cloud_folder,
    back.path,
    back.type,
    back.size,
    max(deletions.at) AS deleted_at,
    (epoch_us(back.at) - epoch_us(max(deletions.at))) / 3600e6 AS gone_hours
FROM back
LEFT JOIN deletions
    ON deletions.feed = back.feed AND deletions.folder_id = back.folder_id AND deletions.guid = back.guid
        AND deletions.at <= back.at
GROUP BY back.feed, back.seq, back.at, back.cloud_folder, back.path, back.type, back.size
ORDER BY back.at DESC, back.feed, back.seq DESC
