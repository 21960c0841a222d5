-- Which folder's place each change needs: a folder that changes its own, all else its directory's; and before the
-- change likewise.
SELECT c.row, false AS old, n.node, c.pos, c.vanished AS before
FROM changes c
JOIN nodes n ON n.folder_id = c.folder_id AND n.guid = if({own}, c.guid, c.parent_guid)
UNION ALL
SELECT c.row, true, n.node, c.pos, true
FROM changes c
JOIN nodes n ON n.folder_id = c.folder_id AND n.guid = if(c.is_folder, c.guid, c.old_parent_guid)
WHERE c.elsewhere
