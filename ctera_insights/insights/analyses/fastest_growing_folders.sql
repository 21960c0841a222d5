-- Fastest-growing folders
-- Question: Where does the space go?
-- Columns:
--   folder: folder at this level; files directly in a higher folder count for that folder
--   cloud_folder: cloud folder
--   net_bytes: bytes added less bytes removed
--   bytes_added: bytes by which files grew or appeared
--   bytes_removed: bytes by which files shrank or went
--   net_files: files created and restored less files deleted
--   bytes_per_day: net_bytes per day between the selection's first and last change
-- Parameters:
--   level: how deep to look: 1 is the cloud folder itself; by default one below `path`
--   limit: number of folders
-- Caveats: A move counts in neither folder: it adds and removes no bytes.
-- Picture: growth_bars
WITH per_parent AS (
    SELECT
        -- At the first level the column has it; only deeper ones need the paths read.
        if($level = 1, cloud_folder, left(path, greatest(length(path) - length(name) - 1, 0))) AS parent,
        cloud_folder,
        sum(greatest(size_delta, 0)) AS bytes_added,
        -sum(least(size_delta, 0)) AS bytes_removed,
        count(*) FILTER (type = 'file' AND op IN ('created', 'restored'))
            - count(*) FILTER (type = 'file' AND op = 'deleted') AS net_files,
        min("at") AS first_at,
        max("at") AS last_at
    FROM changes
    GROUP BY ALL
),
span AS (
    SELECT greatest((epoch_us(max(last_at)) - epoch_us(min(first_at))) / 86400e6, 1e-9) AS days FROM per_parent
)
SELECT
    coalesce(nullif(array_to_string(string_split(parent, '/')[1:$level], '/'), ''), cloud_folder) AS folder,
    cloud_folder,
    coalesce(sum(bytes_added), 0) - coalesce(sum(bytes_removed), 0) AS net_bytes,
    coalesce(sum(bytes_added), 0) AS bytes_added,
    coalesce(sum(bytes_removed), 0) AS bytes_removed,
    sum(net_files) AS net_files,
    net_bytes / any_value(days) AS bytes_per_day
FROM per_parent, span
GROUP BY folder, cloud_folder
ORDER BY net_bytes DESC, folder, cloud_folder
LIMIT $limit
