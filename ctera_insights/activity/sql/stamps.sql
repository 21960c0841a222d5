-- By what the states of each cloud folder are put in order within a batch: by the version stamp where all of them carry one of
-- the same replica ("uuid:n"), otherwise by the Portal's time; states without a time stay behind the one served before.
WITH groups AS (
    SELECT batch, folder_id, coalesce(min(replica) = max(replica), false) AND count(version) = count(*) AS versioned
    FROM raw
    GROUP BY ALL
)
SELECT seq, batch, folder_id, coalesce(CASE WHEN versioned THEN version ELSE epoch_us({time}) END, 0) AS stamp
FROM raw
JOIN groups USING (batch, folder_id)
