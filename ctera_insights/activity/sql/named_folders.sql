-- The folders that the changes are about, or lie or lay in.
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT folder_id, guid FROM changes WHERE is_folder
UNION
SELECT folder_id, parent_guid FROM changes WHERE parent_guid IS NOT NULL
UNION
SELECT folder_id, old_parent_guid FROM changes WHERE elsewhere AND old_parent_guid IS NOT NULL
