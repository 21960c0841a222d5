-- Stale data by folder
-- Question: Which folders hold data that nobody has changed for long?
-- Columns:
--   folder: folder at this level; files directly in a higher folder count for that folder
--   cloud_folder: cloud folder
--   files: files that exist now
--   bytes: their bytes
--   stale_files: files not changed for `stale_days`
--   stale_bytes: their bytes
--   stale_share: stale_bytes of bytes, 0 to 1
--   newest_at: time of the youngest file, UTC
-- Parameters:
--   stale_days: age from which a file is stale, days
--   as_of: the moment that ages are counted back from; by default the last change that the store knows
--   level: how deep to look: 1 is the cloud folder itself; by default one below `path`
--   limit: number of folders
-- Caveats: The age comes from the file's own time, or from the Portal's where the file has none. Reading a file
--   leaves no trace in the feed: stale means unchanged, not unread.
-- Picture: stale
WITH per_parent AS (
    SELECT
        -- At the first level the column has it; only deeper ones need the paths read.
        if($level = 1, cloud_folder, left(path, greatest(length(path) - length(name) - 1, 0))) AS parent,
        cloud_folder,
        coalesce(
            epoch_us(coalesce(file_timestamp, portal_modified_date)) < epoch_us($as_of) - $stale_days * 86400e6,
            FALSE
        ) AS stale,
        count(*) AS parent_files,
        coalesce(sum(size), 0) AS parent_bytes,
        max(coalesce(file_timestamp, portal_modified_date)) AS newest_at
    FROM current
    WHERE type = 'file'
    GROUP BY ALL
)
SELECT
    coalesce(nullif(array_to_string(string_split(parent, '/')[1:$level], '/'), ''), cloud_folder) AS folder,
    cloud_folder,
    sum(parent_files) AS files,
    sum(parent_bytes) AS bytes,
    coalesce(sum(parent_files) FILTER (stale), 0) AS stale_files,
    coalesce(sum(parent_bytes) FILTER (stale), 0) AS stale_bytes,
    coalesce(stale_bytes / nullif(sum(parent_bytes), 0), 0) AS stale_share,
    max(newest_at) AS newest_at
FROM per_parent
GROUP BY folder, cloud_folder
ORDER BY stale_bytes DESC, folder, cloud_folder
LIMIT $limit
