-- Overview
-- Question: What is in the store?
-- Columns:
--   files: files that exist now
--   folders: folders that exist now
--   bytes: bytes of the files that exist now
--   cloud_folders: different cloud folders
--   changes: observed live changes
--   created: of these, files and folders created
--   modified: of these, modified
--   renamed_or_moved: of these, renamed or moved
--   deleted: of these, deleted
--   bytes_added: bytes by which files grew or appeared
--   bytes_removed: bytes by which files shrank or went
--   first_at: first live change, UTC
--   last_at: last live change, UTC
-- Caveats: The inventory at the start is not activity and is not counted among the changes.
-- Picture: none
WITH state AS (
    SELECT
        count(*) FILTER (type = 'file') AS files,
        count(*) FILTER (type <> 'file') AS folders,
        coalesce(sum(size) FILTER (type = 'file'), 0) AS bytes,
        count(DISTINCT hash(feed, folder_id)) AS cloud_folders
    FROM current
),
activity_seen AS (
    SELECT
        count(*) AS changes,
        count(*) FILTER (op = 'created') AS created,
        count(*) FILTER (op = 'modified') AS modified,
        count(*) FILTER (op IN ('renamed', 'moved')) AS renamed_or_moved,
        count(*) FILTER (op = 'deleted') AS deleted,
        coalesce(sum(greatest(size_delta, 0)), 0) AS bytes_added,
        coalesce(-sum(least(size_delta, 0)), 0) AS bytes_removed,
        min("at") AS first_at,
        max("at") AS last_at
    FROM changes
)
SELECT * FROM state, activity_seen
