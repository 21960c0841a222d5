-- Hot files
-- Question: Which files change most often?
-- Columns:
--   path: path at the last of these changes
--   cloud_folder: cloud folder
--   events: observed changes
--   days: different days (UTC) with a change
--   bytes_added: bytes by which the file grew
--   bytes_removed: bytes by which it shrank
--   size: size after the last change, bytes
--   last_at: last change, UTC
--   folder_id: uid of the cloud folder
--   guid: identity within the cloud folder
-- Parameters:
--   limit: number of files
-- Picture: bars
WITH hottest AS (
    SELECT folder_id, guid, count(*) AS events
    FROM changes
    WHERE type = 'file'
    GROUP BY folder_id, guid
    ORDER BY events DESC, folder_id, guid
    LIMIT $limit
)
SELECT
    arg_max(path, pos) AS path,
    arg_max(cloud_folder, pos) AS cloud_folder,
    count(*) AS events,
    count(DISTINCT epoch_us("at") // 86400000000) AS days,
    coalesce(sum(greatest(size_delta, 0)), 0)::BIGINT AS bytes_added,
    coalesce(sum(greatest(-size_delta, 0)), 0)::BIGINT AS bytes_removed,
    arg_max(size, pos) AS size,
    max("at") AS last_at,
    folder_id,
    guid
FROM changes
SEMI JOIN hottest USING (folder_id, guid)
GROUP BY folder_id, guid
ORDER BY events DESC, folder_id, guid
