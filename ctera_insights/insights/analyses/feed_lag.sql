-- Lag of the feed
-- Question: How long after a change was it stored, over time?
-- Columns:
--   time: start of the interval, in which the change was stored, local time of `tz`
--   events: live states stored
--   median_lag_s: median seconds from the Portal's time of the change to the commit
--   p95_lag_s: 95 % were stored at most so late, seconds
--   max_lag_s: the latest, seconds
-- Parameters:
--   every: width of an interval, such as '1 hour'; by default one that gives 30 to 200 of them
--   tz: time zone of `time`
-- Caveats: The clocks of the Portal and of the collector both count: below zero, the Portal's is ahead. A history replayed at once lags by its age.
-- Picture: lag
WITH per_slot AS (
    SELECT
        epoch_us(collected_at) // ($grain_s * 1000000) AS slot,
        (epoch_us(collected_at) - epoch_us("at")) / 1e6 AS lag_s
    FROM changes
)
SELECT
    time_bucket(CAST($every AS INTERVAL), timezone($tz, to_timestamp(slot * $grain_s))) AS time,
    count(*) AS events,
    quantile_cont(lag_s, 0.5) AS median_lag_s,
    quantile_cont(lag_s, 0.95) AS p95_lag_s,
    max(lag_s) AS max_lag_s
FROM per_slot
GROUP BY time
ORDER BY time
