-- The raw states of some batches in the order of changes.
-- `pos` is `seq`, put right within each batch: by the version stamp where all of a batch carry one of the same
-- replica ("uuid:n"), otherwise by the Portal's time; states without a time stay behind the one served before.
CREATE OR REPLACE TEMP TABLE raw AS
WITH told AS (
    SELECT
        seq,
        batch,
        epoch,
        phase,
        collected_at,
        type,
        coalesce(guid, '') AS guid,
        coalesce(deleted, false) AS deleted,
        name,
        coalesce(folder_id, -1) AS folder_id,
        parent_guid,
        id,
        size,
        file_timestamp,
        portal_modified_date AS modified,
        acl,
        gvsn,
        try_cast(split_part(gvsn, ':', -1) AS BIGINT) AS version,
        left(gvsn, length(gvsn) - length(split_part(gvsn, ':', -1))) AS replica
    FROM {events}
    WHERE feed = $feed AND batch > $low AND batch <= $high
),
stamped AS (
    SELECT
        *,
        min(seq) OVER b AS first_seq,
        CASE
            WHEN min(replica) OVER b = max(replica) OVER b AND count(version) OVER b = count(*) OVER b
                THEN version
            ELSE epoch_us(last_value(modified IGNORE NULLS) OVER (PARTITION BY batch ORDER BY seq))
        END AS stamp
    FROM told
    WINDOW b AS (PARTITION BY batch)
)
SELECT
    * EXCLUDE (first_seq, stamp),
    first_seq + row_number() OVER (PARTITION BY batch ORDER BY stamp NULLS FIRST, seq) - 1 AS pos
FROM stamped
