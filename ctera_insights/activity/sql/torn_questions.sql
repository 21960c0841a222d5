SELECT c.row, false AS old, n.node, c.pos, c.seq IS NULL AS before
FROM torn c
JOIN nodes n ON n.folder_id = c.folder_id AND n.guid = if({own}, c.guid, c.parent_guid)
WHERE c.fixable
UNION ALL
SELECT c.row, true, n.node, c.pos, true
FROM torn c
JOIN nodes n ON n.folder_id = c.folder_id AND n.guid = if(c.is_folder, c.guid, c.old_parent_guid)
WHERE c.old_fixable
