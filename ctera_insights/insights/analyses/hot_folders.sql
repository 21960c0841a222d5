-- Hot folders
-- Question: In which folders is most going on? Descend with `path=` and `level=`.
-- Columns:
--   folder: folder at this level; changes directly in a higher folder count for that folder
--   cloud_folder: cloud folder
--   events: observed changes in it and below
--   created: of these, created
--   modified: of these, modified
--   renamed_or_moved: of these, renamed or moved
--   deleted: of these, deleted
--   bytes_added: bytes by which files grew or appeared
--   bytes_removed: bytes by which files shrank or went
--   last_at: last change, UTC
-- Parameters:
--   level: how deep to look: 1 is the cloud folder itself; by default one below `path`
--   limit: number of folders
-- Picture: bars
WITH per_parent AS (
    SELECT
        -- At the first level the column has it; only deeper ones need the paths read.
        if($level = 1, cloud_folder, left(path, greatest(length(path) - length(name) - 1, 0))) AS parent,
        cloud_folder,
        count(*) AS events,
        count(*) FILTER (op = 'created') AS created,
        count(*) FILTER (op = 'modified') AS modified,
        count(*) FILTER (op IN ('renamed', 'moved')) AS renamed_or_moved,
        count(*) FILTER (op = 'deleted') AS deleted,
        sum(greatest(size_delta, 0)) AS bytes_added,
        -sum(least(size_delta, 0)) AS bytes_removed,
        max("at") AS last_at
    FROM changes
    GROUP BY ALL
)
SELECT
    coalesce(nullif(array_to_string(string_split(parent, '/')[1:$level], '/'), ''), cloud_folder) AS folder,
    cloud_folder,
    sum(events) AS events,
    sum(created) AS created,
    sum(modified) AS modified,
    sum(renamed_or_moved) AS renamed_or_moved,
    sum(deleted) AS deleted,
    coalesce(sum(bytes_added), 0) AS bytes_added,
    coalesce(sum(bytes_removed), 0) AS bytes_removed,
    max(last_at) AS last_at
FROM per_parent
GROUP BY folder, cloud_folder
ORDER BY events DESC, folder, cloud_folder
LIMIT $limit
