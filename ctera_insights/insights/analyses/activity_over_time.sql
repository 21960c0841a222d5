-- Observed changes over time
-- Question: How much happens when, split by operation, cloud folder, type or extension?
-- Columns:
--   time: start of the interval, local time of `tz`
--   series: value of the column chosen by `by`; null where it is unknown
--   events: observed changes
--   bytes_added: bytes by which files grew or appeared
--   bytes_removed: bytes by which files shrank or went
-- Parameters:
--   every: width of an interval, such as '1 hour' or '1 week'; by default one that gives 30 to 200 of them
--   by: op, cloud_folder, type or extension
--   tz: time zone of `time`
-- Caveats: The Portal tells states, not actions: changes that follow one another between two reads arrive as one.
-- Picture: timeline
WITH slots AS (
    SELECT
        epoch_us("at") // ($grain_s * 1000000) AS slot,
        CASE $by
            WHEN 'op' THEN op WHEN 'cloud_folder' THEN cloud_folder WHEN 'type' THEN type ELSE extension
        END AS series,
        count(*) AS events,
        sum(greatest(size_delta, 0)) AS bytes_added,
        -sum(least(size_delta, 0)) AS bytes_removed
    FROM changes
    GROUP BY ALL
)
SELECT
    time_bucket(CAST($every AS INTERVAL), timezone($tz, to_timestamp(slot * $grain_s))) AS time,
    series,
    sum(events) AS events,
    coalesce(sum(bytes_added), 0) AS bytes_added,
    coalesce(sum(bytes_removed), 0) AS bytes_removed
FROM slots
GROUP BY ALL
ORDER BY time, series
