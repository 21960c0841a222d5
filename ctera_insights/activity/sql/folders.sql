-- The new rows of `folders`.
SELECT
    $feed AS feed,
    nullif(n.folder_id, -1) AS folder_id,
    n.guid,
    s.name,
    p.guid AS parent_guid,
    s.cloud_folder,
    s.path,
    (length(s.path) - length(replace(s.path, '/', '')))::INTEGER AS depth,
    s.parent = $root AS rooted,
    s.deleted_pos,
    s.gone_pos,
    s.missing,
    $high AS batch,
    $rid + row_number() OVER () AS rid,
    n.rid AS replaces
FROM seen s
JOIN nodes n ON n.node = s.node
LEFT JOIN nodes p ON p.node = s.parent
WHERE n.rid IS NULL
    OR s.name IS DISTINCT FROM n.name
    OR p.guid IS DISTINCT FROM n.parent_guid
    OR (s.parent = $root) IS DISTINCT FROM n.rooted
    OR s.path IS DISTINCT FROM n.path
    OR s.deleted_pos IS DISTINCT FROM n.deleted_pos
    OR s.gone_pos IS DISTINCT FROM n.gone_pos
    OR s.missing IS DISTINCT FROM n.missing
ORDER BY n.folder_id, s.path, n.guid
