-- All changes; objects told of for the first and only time need no comparison.
CREATE OR REPLACE TEMP VIEW changes AS
SELECT *, false AS solo FROM judged
UNION ALL BY NAME
SELECT
    *,
    seq AS row,
    coalesce(type, 'file') <> 'file' AS is_folder,
    if(deleted, 'deleted', 'created') AS op,
    if(deleted OR coalesce(type, 'file') <> 'file', NULL, size) AS size_delta,
    collected_at AS seen_at,
    false AS stale,
    false AS elsewhere,
    false AS acl_changed,
    false AS repeated,
    false AS vanished,
    true AS solo
FROM {solos}
