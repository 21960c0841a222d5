-- Drift of file types
-- Question: Which kinds of files come in, and does the mix change?
-- Columns:
--   time: start of the interval, local time of `tz`
--   extension: one of the `limit` most frequent; '(other)' for the rest, empty for none
--   files: files created or restored, or given this extension by a rename
--   share: share of the interval's files, 0 to 1
-- Parameters:
--   every: width of an interval, such as '1 week'; by default one that gives 30 to 200 of them
--   limit: number of extensions told apart
--   tz: time zone of `time`
-- Picture: drift
WITH slots AS (
    SELECT
        epoch_us("at") // ($grain_s * 1000000) AS slot,
        coalesce(extension, '') AS extension,
        count(*) AS files
    FROM changes
    WHERE type = 'file'
        AND (op IN ('created', 'restored')
            OR (op IN ('renamed', 'moved') AND extension <> '' AND NOT ends_with(lower(old_path), '.' || extension)))
    GROUP BY ALL
),
frequent AS (
    SELECT extension FROM slots GROUP BY extension ORDER BY sum(files) DESC, extension LIMIT $limit
),
intervals AS (
    SELECT
        time_bucket(CAST($every AS INTERVAL), timezone($tz, to_timestamp(slot * $grain_s))) AS time,
        if(extension IN (FROM frequent), extension, '(other)') AS extension,
        sum(files) AS files
    FROM slots
    GROUP BY ALL
)
SELECT time, extension, files, files / sum(files) OVER (PARTITION BY time) AS share
FROM intervals
ORDER BY time, extension
