-- By what the states of each batch are put in order: by the version stamp where all of the batch carry one of the same
-- replica ("uuid:n"), otherwise by the Portal's time; states without a time stay behind the one served before.
WITH batches AS (
    SELECT batch, coalesce(min(replica) = max(replica), false) AND count(version) = count(*) AS versioned
    FROM raw
    GROUP BY batch
)
SELECT seq, batch, coalesce(CASE WHEN versioned THEN version ELSE epoch_us({time}) END, 0) AS stamp
FROM raw
JOIN batches USING (batch)
