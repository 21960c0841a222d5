-- Of each object the last of its rows, in the place of all of them.
WITH merged AS (
    SELECT
        * REPLACE (nullif(min_by(coalesce(replaces, -1), rid) OVER w, -1) AS replaces),
        max(rid) OVER w AS last_rid
    FROM {rows}
    WINDOW w AS (PARTITION BY folder_id, guid)
)
SELECT {columns}
FROM merged
WHERE rid = last_rid
ORDER BY folder_id, {order}, guid
