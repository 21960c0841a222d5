-- The new states of folders, in the order of changes.
SELECT c.pos, n.node, coalesce(p.node, $root) AS parent, coalesce(c.name, '?') AS name, c.deleted
FROM changes c
JOIN nodes n ON n.folder_id = c.folder_id AND n.guid = c.guid
LEFT JOIN nodes p ON p.folder_id = c.folder_id AND p.guid = c.parent_guid
WHERE c.is_folder AND NOT c.repeated
ORDER BY c.pos, n.node
