INSERT INTO nodes SELECT * FROM fresh;
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT DISTINCT f.folder_id, f.parent_guid AS guid
FROM fresh f
ANTI JOIN nodes n ON n.folder_id = f.folder_id AND n.guid = f.parent_guid
WHERE f.parent_guid IS NOT NULL
