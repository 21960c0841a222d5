-- What each rule counts, per cloud folder and hour (since 1970, UTC); only hours in which there is something.
-- Binds $opening: keys of the permission changes that open something, see `detect.py`.
WITH live AS NOT MATERIALIZED (
    SELECT *, epoch_us("at") // 3600000000 AS hour
    FROM history
    WHERE phase = 'live'
),
counted AS (
    SELECT
        cloud_folder,
        hour,
        count(*) FILTER (op = 'deleted') AS deleted,
        count(*) FILTER (op IN ('renamed', 'moved')) AS renamed,
        coalesce(sum(greatest(size_delta, 0)), 0)::BIGINT AS grown
    FROM live
    GROUP BY cloud_folder, hour
),
-- Extensions by the hour in which they were first seen; the first day tells nothing about what is new.
first_seen AS (
    SELECT extension, min(if(phase = 'live', epoch_us("at") // 3600000000, 0)) AS first_hour
    FROM history
    WHERE type = 'file' AND extension <> ''
    GROUP BY extension
),
start AS (
    SELECT min(hour) AS hour FROM counted
),
fresh AS (
    SELECT extension, first_hour FROM first_seen, start WHERE first_hour >= start.hour + 24
),
-- Given a fresh extension by a rename, or created with one while as many others went.
retyped AS (
    SELECT
        cloud_folder,
        hour,
        count(*) FILTER (op IN ('renamed', 'moved')) AS renamed,
        count(*) FILTER (op = 'created') AS created
    FROM live
    JOIN fresh ON live.extension = fresh.extension AND hour < first_hour + 24
    WHERE type = 'file'
        AND (op = 'created'
            OR (op IN ('renamed', 'moved') AND NOT ends_with(lower(old_path), '.' || live.extension)))
    GROUP BY cloud_folder, hour
),
-- Written again at the same size, give or take a header.
rewritten AS (
    SELECT cloud_folder, hour, count(DISTINCT hash(folder_id, guid)) AS files
    FROM live
    WHERE op = 'modified' AND type = 'file' AND size > 0 AND abs(size_delta) <= least(1024, size // 100)
    GROUP BY cloud_folder, hour
),
opened AS (
    SELECT cloud_folder, hour, count(*) AS objects
    FROM live
    WHERE acl_changed AND md5(acl || ' ' || old_acl) IN (SELECT unnest($opening::VARCHAR[]))
    GROUP BY cloud_folder, hour
),
told AS (
    SELECT 'mass_deletion' AS rule, cloud_folder, hour, deleted AS value FROM counted
    UNION ALL
    SELECT 'mass_deletion', cloud_folder, epoch_us("at") // 3600000000 AS hour, count(*)
    FROM untold WHERE phase = 'live' GROUP BY cloud_folder, hour
    UNION ALL SELECT 'mass_rename', cloud_folder, hour, renamed FROM counted
    UNION ALL
    SELECT 'new_extension', cloud_folder, hour, retyped.renamed + least(retyped.created, coalesce(deleted, 0))
    FROM retyped LEFT JOIN counted USING (cloud_folder, hour)
    UNION ALL SELECT 'rewrite_burst', cloud_folder, hour, files FROM rewritten
    UNION ALL SELECT 'sudden_growth', cloud_folder, hour, grown FROM counted
    UNION ALL SELECT 'permission_opening', cloud_folder, hour, objects FROM opened
)
SELECT rule, cloud_folder, hour, sum(value)::BIGINT AS value
FROM told
GROUP BY rule, cloud_folder, hour
HAVING sum(value) > 0
