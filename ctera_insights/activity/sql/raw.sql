-- The told states in the order of changes.
-- `pos` is `seq`, put right within each batch: by the version stamp where all of a batch carry one of the same
-- replica ("uuid:n"), otherwise by the Portal's time; states without a time stay behind the one served before.
CREATE OR REPLACE TEMP TABLE raw AS
WITH batches AS (
    SELECT
        batch,
        min(seq) AS first_seq,
        coalesce(min(replica) = max(replica), false) AND count(version) = count(*) AS versioned
    FROM told
    GROUP BY batch
),
stamped AS (
    SELECT told.*, first_seq, CASE WHEN versioned THEN version ELSE epoch_us({time}) END AS stamp
    FROM told
    JOIN batches USING (batch)
)
SELECT
    * EXCLUDE (first_seq, stamp),
    first_seq + row_number() OVER (PARTITION BY batch ORDER BY stamp NULLS FIRST, seq) - 1 AS pos
FROM stamped
