-- One level further down from the folders that change.
CREATE OR REPLACE TEMP TABLE frontier AS
SELECT f.folder_id, f.guid
FROM {folders} f
SEMI JOIN frontier p ON p.folder_id = f.folder_id AND p.guid = f.parent_guid
ANTI JOIN below b ON b.folder_id = f.folder_id AND b.guid = f.guid;
INSERT INTO below SELECT * FROM frontier
