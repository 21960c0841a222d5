-- Largest files
-- Question: Which files take the most space?
-- Columns:
--   path: path now
--   cloud_folder: cloud folder
--   size: bytes
--   share: share of all bytes in the selection, 0 to 1
--   extension: without the dot
--   file_timestamp: the file's own modification time, UTC
--   folder_id: uid of the cloud folder
--   guid: identity within the cloud folder
-- Parameters:
--   limit: number of files
-- Caveats: The state at the last collection; time and operation filters do not apply.
-- Picture: size_bars
WITH total AS (
    SELECT sum(size) AS bytes FROM current WHERE type = 'file'
),
top AS (
    SELECT path, cloud_folder, size, extension, file_timestamp, folder_id, guid
    FROM current
    WHERE type = 'file' AND size IS NOT NULL
    ORDER BY size DESC, folder_id, guid
    LIMIT $limit
)
SELECT
    path,
    cloud_folder,
    size,
    size / nullif(bytes, 0) AS share,
    extension,
    file_timestamp,
    folder_id,
    guid
FROM top, total
ORDER BY size DESC, folder_id, guid
