-- The rows of one file of `activity`, with a number, and whether a path of theirs can now be put right.
CREATE OR REPLACE TEMP TABLE torn AS
WITH known AS (SELECT folder_id, guid FROM torn_keys WHERE known)
SELECT
    c.* EXCLUDE (folder_id),
    c.folder_id AS told_folder_id,
    coalesce(c.folder_id, -1) AS folder_id,
    row_number() OVER () AS row,
    coalesce(c.type, 'file') <> 'file' AS is_folder,
    c.old_path IS NOT NULL AS elsewhere,
    k.guid IS NOT NULL AS fixable,
    j.guid IS NOT NULL AS old_fixable
FROM {rows} c
LEFT JOIN known k ON k.folder_id = coalesce(c.folder_id, -1) AND k.guid = c.missing
LEFT JOIN known j ON j.folder_id = coalesce(c.folder_id, -1) AND j.guid = c.old_missing
