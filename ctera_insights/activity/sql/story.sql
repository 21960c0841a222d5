-- What ever happened to the wanted folders: the Portal's answer, which comes before all, and the feed's changes.
INSERT INTO story
SELECT 0, o.folder_id, o.guid, o.name, o.parent_guid, false
FROM observed o
SEMI JOIN wanted w ON w.folder_id = o.folder_id AND w.guid = o.guid
UNION ALL
SELECT r.pos, coalesce(r.folder_id, -1), r.guid, r.name, r.parent_guid, r.deleted
FROM {rows} r
SEMI JOIN wanted w ON w.folder_id = coalesce(r.folder_id, -1) AND w.guid = r.guid
WHERE r.feed = {feed} AND coalesce(r.type, 'file') <> 'file' AND (r.op <> 'unchanged' OR r.old_path IS NOT NULL);
INSERT INTO told SELECT * FROM wanted;
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT DISTINCT s.folder_id, s.parent_guid AS guid
FROM story s
ANTI JOIN told t ON t.folder_id = s.folder_id AND t.guid = s.parent_guid
WHERE s.parent_guid IS NOT NULL
