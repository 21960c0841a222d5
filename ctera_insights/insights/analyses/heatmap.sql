-- Observed changes by weekday and hour
-- Question: At which hours of the week do people and machines work?
-- Columns:
--   weekday: 1 (Monday) to 7 (Sunday), local time of `tz`
--   hour: 0 to 23, local time of `tz`
--   events: observed changes in all such hours
--   events_per_hour: mean of one such hour, over the weeks between the first and the last change
-- Parameters:
--   tz: time zone of weekday and hour
-- Caveats: The time is the Portal's time of the change; a collector that was away does not shift it.
-- Picture: heatmap
WITH slots AS (
    SELECT epoch_us("at") // 900000000 AS slot, count(*) AS events
    FROM changes
    GROUP BY slot
),
local AS (
    SELECT timezone($tz, to_timestamp(slot * 900)) AS time, events FROM slots
),
span AS (
    SELECT greatest(1, ceil(date_diff('hour', min(time), max(time)) / 168)) AS weeks FROM local
)
SELECT
    isodow(time) AS weekday,
    hour(time) AS hour,
    sum(events) AS events,
    sum(events) / any_value(weeks) AS events_per_hour
FROM local, span
GROUP BY weekday, hour
ORDER BY weekday, hour
