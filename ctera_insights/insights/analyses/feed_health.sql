-- Feed health
-- Question: Is every feed collected without gaps, and how far behind?
-- Columns:
--   feed: name of the feed
--   epochs: 1, and one more for each resync
--   batches: commits
--   missing_batches: batch numbers without a commit; anything but 0 deserves `ctera-insights check`
--   events: states received, inventory and live
--   baseline_events: of these, from inventories
--   live_events: of these, live
--   median_batch_rows: median number of states in a commit
--   largest_batch_rows: states in the largest commit
--   median_lag_s: half of the live changes were stored at most so long after they happened, seconds
--   p95_lag_s: 95 % of them, seconds
--   first_collected_at: first commit, UTC
--   last_collected_at: last commit, UTC
--   quiet_s: from the last commit to `as_of`, seconds
--   caught_up: whether the Portal had nothing more after the last commit
--   quarantined: entries that could not be read
-- Parameters:
--   as_of: the moment that `quiet_s` is counted to; by default now
-- Caveats: Filters do not apply. A lag below zero tells that the Portal's clock is ahead of the collector's. A feed without changes is quiet and healthy.
-- Picture: none
WITH lags AS (
    SELECT
        feed,
        count(*) AS live,
        quantile_cont((epoch_us(collected_at) - epoch_us(portal_modified_date)) / 1e6, [0.5, 0.95]) AS lag_s
    FROM events
    WHERE phase = 'live'
    GROUP BY feed
)
SELECT
    feed,
    count(DISTINCT epoch) AS epochs,
    count(*) AS batches,
    max(batch) - min(batch) + 1 - count(*) AS missing_batches,
    sum(events) AS events,
    sum(events) - coalesce(any_value(live), 0) AS baseline_events,
    coalesce(any_value(live), 0) AS live_events,
    median(events) AS median_batch_rows,
    max(events) AS largest_batch_rows,
    any_value(lag_s)[1] AS median_lag_s,
    any_value(lag_s)[2] AS p95_lag_s,
    min(collected_at) AS first_collected_at,
    max(collected_at) AS last_collected_at,
    (epoch_us($as_of_or_now) - epoch_us(max(collected_at))) / 1e6 AS quiet_s,
    arg_max(caught_up, batch) AS caught_up,
    sum(quarantined) AS quarantined
FROM batches
LEFT JOIN lags USING (feed)
GROUP BY feed
ORDER BY feed
