SELECT
    batch,
    any_value(epoch),
    any_value(phase),
    count(*),
    coalesce(bool_or(caught_up), false),
    epoch_us(max(collected_at))
FROM {events}
WHERE feed = $feed AND batch > $low
GROUP BY batch
ORDER BY batch
