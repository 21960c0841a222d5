-- Renames and moves between folders
-- Question: What wanders from where to where?
-- Columns:
--   from_folder: folder before
--   to_folder: folder after; the same for a rename in place
--   moves: files and folders that changed their folder
--   renames: files and folders renamed in place
--   bytes: bytes of the files among them
--   sample_path: one of the paths after
--   last_at: last of them, UTC
-- Parameters:
--   level: how deep to tell folders apart; by default whole paths
--   limit: number of pairs
-- Caveats: Moving or renaming a folder is one change, whatever lies in it. A move to another cloud folder shows as
--   a deletion and a creation.
-- Picture: flows
WITH wandered AS (
    SELECT
        array_to_string(string_split(old_path, '/')[:-2], '/') AS old_parent,
        array_to_string(string_split(path, '/')[:-2], '/') AS parent,
        type, size, path, "at"
    FROM changes
    WHERE op IN ('renamed', 'moved') AND old_path IS NOT NULL
)
SELECT
    array_to_string(string_split(old_parent, '/')[1:coalesce($level_or_null, 1000)], '/') AS from_folder,
    array_to_string(string_split(parent, '/')[1:coalesce($level_or_null, 1000)], '/') AS to_folder,
    count(*) FILTER (old_parent <> parent) AS moves,
    count(*) FILTER (old_parent = parent) AS renames,
    coalesce(sum(size) FILTER (type = 'file'), 0) AS bytes,
    arg_max(path, "at") AS sample_path,
    max("at") AS last_at
FROM wandered
GROUP BY from_folder, to_folder
ORDER BY count(*) DESC, from_folder, to_folder
LIMIT $limit
