-- What rules count, per cloud folder and hour (since 1970, UTC); only hours in which there is something.
-- {counts} are the rules' own, constants of rules.py, over the tables below; a table that none of them names is not read.
-- Binds $opening: keys of the permission changes that open something, see `openings.py`.
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
        coalesce(sum(greatest(size_delta, 0)), 0) AS grown
    FROM live
    GROUP BY cloud_folder, hour
),
-- A Portal restored from a backup numbers its objects anew: by the next inventory the old ones are gone, and
-- others created in their places. What lives on under its path neither went nor came.
swapped AS (
    SELECT gone.cloud_folder, gone.hour AS gone_hour, any_value(came.hour) AS came_hour,
        any_value(greatest(came.size_delta, 0)) AS size
    FROM live gone
    JOIN live came ON came.feed = gone.feed AND came.epoch = gone.epoch AND came.path = gone.path
    WHERE gone.op = 'deleted' AND gone.seq IS NULL AND gone.epoch > 1 AND came.op = 'created' AND came.epoch > 1
    GROUP BY gone.feed, gone.path, gone.cloud_folder, gone.hour
),
-- A time before 2000 is a lost clock's: neither the start of the history nor a first sight.
start AS (
    SELECT min(hour) AS hour FROM counted WHERE hour >= 262968 -- 2000-01-01
),
-- Extensions by the hour in which they were first seen; the first day tells nothing about what is new.
first_seen AS (
    SELECT extension, min(CASE WHEN phase <> 'live' THEN 0 WHEN "at" >= TIMESTAMPTZ '2000-01-01 00:00:00+00'
        THEN epoch_us("at") // 3600000000 END) AS first_hour
    FROM history
    WHERE type = 'file' AND extension <> ''
    GROUP BY extension
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
    SELECT cloud_folder, hour, count(DISTINCT hash(feed, folder_id, guid)) AS files
    FROM live
    WHERE op = 'modified' AND type = 'file' AND size > 0 AND size_delta BETWEEN -least(1024, size // 100) AND least(1024, size // 100)
    GROUP BY cloud_folder, hour
),
opened AS (
    SELECT cloud_folder, hour, count(*) AS objects
    FROM live
    WHERE acl_changed AND md5(strlen(acl) || ' ' || acl || old_acl) IN (SELECT unnest($opening::VARCHAR[]))
    GROUP BY cloud_folder, hour
),
told AS (
{counts}
)
SELECT rule, cloud_folder, hour, sum(value)::DOUBLE AS value
FROM told
GROUP BY rule, cloud_folder, hour
HAVING sum(value) > 0
