-- How unusual each hour is that could raise an alert, against the 240 busy hours before it in the same cloud folder.
-- Reads `hourly` (see hourly.sql) and binds $rules, $minimums, $floors and $most.
WITH rules AS (
    SELECT unnest($rules::VARCHAR[]) AS rule, unnest($minimums::DOUBLE[]) AS minimum, unnest($floors::DOUBLE[]) AS floor
),
start AS (
    SELECT min(hour) AS first_hour FROM hourly
    WHERE hour >= 262968 -- 2000-01-01: a time before is a lost clock's
),
numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY rule, cloud_folder ORDER BY hour) AS number,
        number // 240 AS block, -- the 240 hours before lie in this block and the one before: an equality to join by
        list(value) OVER (
            PARTITION BY rule, cloud_folder, hour % 168 ORDER BY hour RANGE BETWEEN 2016 PRECEDING AND 1 PRECEDING
        ) AS same_hour
    FROM hourly
),
-- Busy hours before, and the same hour of up to 12 weeks before.
referred AS (
    SELECT
        c.rule, c.cloud_folder, c.hour,
        any_value(c.value) AS value,
        any_value(floor) AS floor,
        any_value(least((c.hour - first_hour) // 168, 12)) AS weeks,
        coalesce(any_value(c.same_hour), []) AS same_hour,
        median(h.value) AS busy_median,
        mad(h.value) AS busy_mad,
        coalesce(list(h.value) FILTER (h.value IS NOT NULL), []) AS busy
    FROM (SELECT *, unnest([block - 1, block]) AS near FROM numbered) c
    JOIN rules ON rules.rule = c.rule AND c.value >= minimum / $most
    CROSS JOIN start
    LEFT JOIN numbered h
        ON h.rule = c.rule AND h.cloud_folder IS NOT DISTINCT FROM c.cloud_folder AND h.block = c.near
        AND h.number BETWEEN c.number - 240 AND c.number - 1
    GROUP BY c.rule, c.cloud_folder, c.hour
),
-- Quiet hours fill up to 48 busy ones, and the weeks in which the hour was quiet.
padded AS (
    SELECT
        * EXCLUDE (busy, same_hour),
        CASE WHEN len(busy) < 48 THEN list_resize(busy, 48, 0) END AS few,
        if(weeks >= 3, list_resize(same_hour, greatest(len(same_hour), weeks), 0), [0]) AS same_hour
    FROM referred
),
medians AS (
    SELECT
        *,
        coalesce(list_median(few), busy_median) AS usual_median,
        list_median(same_hour) AS weekly_median
    FROM padded
),
spreads AS MATERIALIZED (
    SELECT
        *,
        greatest(usual_median, weekly_median) AS expected,
        greatest(
            1.4826 * coalesce(list_median([abs(x - usual_median) FOR x IN few]), busy_mad),
            1.4826 * list_median([abs(x - weekly_median) FOR x IN same_hour]),
            floor
        ) AS spread
    FROM medians
)
SELECT rule, cloud_folder, hour, value, expected, spread, (value - expected) / spread AS score
FROM spreads
ORDER BY rule, cloud_folder, hour
