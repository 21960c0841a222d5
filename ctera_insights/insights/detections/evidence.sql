-- What stands behind the alerts of one rule: first and last change, folders, sample paths.
-- {condition} is the rule's own, a constant of rules.py; binds $ids, $cloud_folders, $first_hours, $last_hours.
WITH alerts AS (
    SELECT
        unnest($ids::BIGINT[]) AS id,
        unnest($cloud_folders::VARCHAR[]) AS cloud_folder,
        unnest($first_hours::BIGINT[]) AS first_hour,
        unnest($last_hours::BIGINT[]) AS last_hour
),
found AS (
    SELECT
        alerts.id,
        h."at",
        h.path,
        left(h.path, greatest(length(h.path) - length(h.name) - 1, 0)) AS folder
    FROM history h
    JOIN alerts
        ON h.cloud_folder IS NOT DISTINCT FROM alerts.cloud_folder
        AND epoch_us(h."at") // 3600000000 BETWEEN first_hour AND last_hour
    WHERE h.phase = 'live' AND {condition}
),
folders AS (
    SELECT id, (list(folder ORDER BY n DESC, folder) FILTER (folder IS NOT NULL))[:5] AS folders
    FROM (SELECT id, folder, count(*) AS n FROM found GROUP BY id, folder)
    GROUP BY id
)
SELECT
    id,
    min("at") AS first_at,
    max("at") AS last_at,
    count(*) AS events,
    any_value(folders) AS folders,
    arg_min(path, "at", 5) FILTER (path IS NOT NULL) AS sample_paths
FROM found
JOIN folders USING (id)
GROUP BY id
ORDER BY id
