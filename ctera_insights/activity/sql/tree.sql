SELECT
    n.guid,
    n.name,
    CASE WHEN n.parent_guid IS NOT NULL THEN p.node WHEN n.name IS NULL OR n.rooted THEN $root ELSE $nowhere END
        AS parent,
    coalesce(n.deleted_pos, $never) AS deleted_pos
FROM nodes n
LEFT JOIN nodes p ON p.folder_id = n.folder_id AND p.guid = n.parent_guid
ORDER BY n.node
