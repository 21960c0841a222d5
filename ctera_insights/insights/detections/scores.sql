-- How unusual each hour is that could raise an alert, against the 90 days before it in the same cloud folder.
-- Reads `hourly` (see hourly.sql) and binds $rules, $minimums and $floors.
WITH rules AS (
    SELECT unnest($rules::VARCHAR[]) AS rule, unnest($minimums::DOUBLE[]) AS minimum, unnest($floors::DOUBLE[]) AS floor
),
start AS (
    SELECT min(hour) AS hour FROM hourly
),
candidates AS (
    SELECT rule, cloud_folder, hourly.hour, value, floor, least((hourly.hour - start.hour) // 168, 12) AS weeks
    FROM hourly JOIN rules USING (rule), start
    WHERE value >= minimum / $most
),
-- Busy hours before, padded with quiet ones to 48; and the same hour of up to 12 weeks before, quiet ones included.
referred AS (
    SELECT
        c.rule, c.cloud_folder, c.hour,
        any_value(c.value) AS value,
        any_value(c.floor) AS floor,
        any_value(c.weeks) AS weeks,
        coalesce(list(h.value) FILTER (h.value IS NOT NULL), []) AS busy,
        coalesce(
            list(h.value) FILTER ((c.hour - h.hour) % 168 = 0 AND c.hour - h.hour <= 168 * 12), []
        ) AS weekly
    FROM candidates c
    LEFT JOIN hourly h
        ON h.rule = c.rule AND h.cloud_folder IS NOT DISTINCT FROM c.cloud_folder
        AND h.hour < c.hour AND h.hour >= c.hour - 2160
    GROUP BY c.rule, c.cloud_folder, c.hour
),
padded AS (
    SELECT
        *,
        list_resize(busy, greatest(len(busy), 48), 0) AS usual,
        if(weeks >= 3, list_resize(weekly, greatest(len(weekly), weeks), 0), [0]) AS same_hour
    FROM referred
),
medians AS (
    SELECT *, list_median(usual) AS usual_median, list_median(same_hour) AS weekly_median FROM padded
),
spreads AS (
    SELECT
        *,
        greatest(usual_median, weekly_median) AS expected,
        1.4826 * list_median([abs(x - usual_median) FOR x IN usual]) AS usual_spread,
        1.4826 * list_median([abs(x - weekly_median) FOR x IN same_hour]) AS weekly_spread
    FROM medians
)
SELECT
    rule,
    cloud_folder,
    hour,
    value,
    expected,
    greatest(usual_spread, weekly_spread, floor) AS spread,
    (value - expected) / greatest(usual_spread, weekly_spread, floor) AS score
FROM spreads
ORDER BY rule, cloud_folder, hour
