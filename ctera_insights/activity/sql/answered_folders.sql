-- The folders that only the Portal's answers tell of.
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT o.folder_id, o.guid
FROM observed o
ANTI JOIN {folders} f ON f.folder_id = o.folder_id AND f.guid = o.guid
