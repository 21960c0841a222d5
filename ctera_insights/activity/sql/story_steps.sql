SELECT s.pos, n.node, coalesce(p.node, $root) AS parent, coalesce(s.name, '?') AS name, s.deleted
FROM story s
JOIN nodes n ON n.folder_id = s.folder_id AND n.guid = s.guid
LEFT JOIN nodes p ON p.folder_id = s.folder_id AND p.guid = s.parent_guid
WHERE s.pos IS NOT NULL
ORDER BY s.pos, n.node
