-- The raw states of some batches, as they were served; `pos` is their place in the order of changes.
CREATE OR REPLACE TEMP TABLE raw AS
SELECT * EXCLUDE (stamp), try_cast(stamp AS BIGINT) AS version, left(gvsn, length(gvsn) - length(stamp)) AS replica
FROM (
    SELECT
        seq,
        seq AS pos,
        batch,
        epoch,
        phase,
        collected_at,
        type,
        coalesce(guid, '') AS guid,
        coalesce(deleted, false) AS deleted,
        name,
        coalesce(folder_id, -1) AS folder_id,
        {parent} AS parent_guid,
        id,
        size,
        file_timestamp,
        portal_modified_date AS modified,
        acl,
        gvsn,
        split_part(gvsn, ':', -1) AS stamp
    FROM {events}
    WHERE feed = $feed AND batch > $low AND batch <= $high
)
