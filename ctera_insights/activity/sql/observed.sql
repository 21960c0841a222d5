-- What the Portal told of folders that the feed had not told of, the first answer of each.
CREATE OR REPLACE TEMP TABLE observed AS
SELECT * REPLACE (coalesce(folder_id, -1) AS folder_id, coalesce(deleted, false) AS deleted, {parent} AS parent_guid)
FROM {rows}
WHERE feed = $feed AND kind = 'ancestor'
QUALIFY row_number() OVER (PARTITION BY coalesce(folder_id, -1), guid ORDER BY batch, pos) = 1
