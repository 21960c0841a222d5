-- The folders whose places the torn rows need.
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT folder_id, if({own}, guid, parent_guid) AS guid FROM torn c WHERE fixable
UNION
SELECT folder_id, if(is_folder, guid, old_parent_guid) FROM torn c WHERE old_fixable;
DELETE FROM wanted WHERE guid IS NULL
