(
    SELECT s.* REPLACE (coalesce(s.folder_id, -1) AS folder_id)
    FROM {rows} s
    ANTI JOIN (SELECT replaces FROM {rows} WHERE replaces IS NOT NULL) r ON r.replaces = s.rid
)
