-- The directories that paths lack: whether each is known by now, and whether the Portal was asked in vain.
CREATE OR REPLACE TEMP TABLE torn_keys AS
WITH lacked AS (
    SELECT coalesce(folder_id, -1) AS folder_id, missing AS guid
    FROM {activity}
    WHERE feed = $feed AND missing IS NOT NULL
    UNION
    SELECT coalesce(folder_id, -1), old_missing
    FROM {activity}
    WHERE feed = $feed AND old_missing IS NOT NULL
)
SELECT
    l.folder_id,
    l.guid,
    f.guid IS NOT NULL OR o.guid IS NOT NULL AS known,
    r.guid IS NOT NULL AS refused
FROM lacked l
LEFT JOIN {folders} f ON f.folder_id = l.folder_id AND f.guid = l.guid
LEFT JOIN observed o ON o.folder_id = l.folder_id AND o.guid = l.guid
LEFT JOIN (
    SELECT DISTINCT coalesce(folder_id, -1) AS folder_id, guid
    FROM {observations}
    WHERE feed = $feed AND kind = 'unknown'
) r ON r.folder_id = l.folder_id AND r.guid = l.guid
