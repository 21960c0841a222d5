-- The current rows of a state table, which replace nothing.
SELECT {columns}
FROM (SELECT * REPLACE (nullif(folder_id, -1) AS folder_id, NULL::BIGINT AS replaces) FROM {rows})
ORDER BY folder_id, {order}, guid
