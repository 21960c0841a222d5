-- Growth and churn
-- Question: How do bytes and files grow, net and gross?
-- Columns:
--   time: start of the interval, local time of `tz`
--   bytes_added: bytes by which files grew or appeared
--   bytes_removed: bytes by which files shrank or went
--   net_bytes: bytes_added less bytes_removed
--   churn_bytes: bytes_added plus bytes_removed
--   files_added: files created and restored
--   files_removed: files deleted
--   total_bytes: bytes stored at the end of the interval
--   total_files: files stored at the end of the interval
-- Parameters:
--   every: width of an interval, such as '1 day'; by default one that gives 30 to 200 of them
--   tz: time zone of `time`
-- Caveats: Totals start from the inventory. Files that go with a deleted folder, untold by the Portal, count at the
--   time when the folder went.
-- Picture: growth
WITH slots AS (
    SELECT
        if(phase = 'live' AND ($since_or_null IS NULL OR "at" >= $since_or_null),
            epoch_us("at") // ($grain_s * 1000000), NULL) AS slot,
        sum(greatest(size_delta, 0)) AS bytes_added,
        -sum(least(size_delta, 0)) AS bytes_removed,
        count(*) FILTER (type = 'file' AND op IN ('created', 'restored')) AS files_added,
        count(*) FILTER (type = 'file' AND op = 'deleted') AS files_removed
    FROM history
    GROUP BY slot
    UNION ALL
    SELECT
        if(phase = 'live' AND ($since_or_null IS NULL OR "at" >= $since_or_null),
            epoch_us("at") // ($grain_s * 1000000), NULL) AS slot,
        0,
        sum(size),
        0,
        count(*)
    FROM untold
    GROUP BY slot
),
start AS (
    SELECT
        coalesce(sum(bytes_added - bytes_removed), 0) AS bytes,
        coalesce(sum(files_added - files_removed), 0) AS files
    FROM slots
    WHERE slot IS NULL
),
intervals AS (
    SELECT
        time_bucket(CAST($every AS INTERVAL), timezone($tz, to_timestamp(slot * $grain_s))) AS time,
        coalesce(sum(bytes_added), 0) AS bytes_added,
        coalesce(sum(bytes_removed), 0) AS bytes_removed,
        sum(files_added) AS files_added,
        sum(files_removed) AS files_removed
    FROM slots
    WHERE slot IS NOT NULL
    GROUP BY time
)
SELECT
    time,
    bytes_added,
    bytes_removed,
    bytes_added - bytes_removed AS net_bytes,
    bytes_added + bytes_removed AS churn_bytes,
    files_added,
    files_removed,
    start.bytes + sum(bytes_added - bytes_removed) OVER (ORDER BY time) AS total_bytes,
    start.files + sum(files_added - files_removed) OVER (ORDER BY time) AS total_files
FROM intervals, start
ORDER BY time
