-- What a state leaves out is taken from the object's state before: any name, type, size, time, id or descriptor; the
-- parent only of a file or a tombstone, as a folder without a parent is a cloud folder's root.
CREATE OR REPLACE TEMP TABLE states AS
SELECT
    * REPLACE (
        CASE
            WHEN parent_guid IS NOT NULL THEN parent_guid
            WHEN deleted OR coalesce(last_value(CASE WHEN NOT stale THEN type END IGNORE NULLS) OVER w, 'file') = 'file'
                THEN last_value(CASE WHEN NOT stale THEN parent_guid END IGNORE NULLS) OVER w
        END AS parent_guid,
        coalesce(type, last_value(CASE WHEN NOT stale THEN type END IGNORE NULLS) OVER w) AS type,
        coalesce(name, last_value(CASE WHEN NOT stale THEN name END IGNORE NULLS) OVER w) AS name,
        coalesce(size, last_value(CASE WHEN NOT stale THEN size END IGNORE NULLS) OVER w) AS size,
        coalesce(id, last_value(CASE WHEN NOT stale THEN id END IGNORE NULLS) OVER w) AS id,
        coalesce(acl, last_value(CASE WHEN NOT stale THEN acl END IGNORE NULLS) OVER w) AS acl,
        coalesce(
            file_timestamp, last_value(CASE WHEN NOT stale THEN file_timestamp END IGNORE NULLS) OVER w
        ) AS file_timestamp
    )
FROM states
WINDOW w AS (PARTITION BY folder_id, guid ORDER BY pos)
