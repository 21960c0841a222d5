-- The folders whose own place may change: what lies below them moves with them.
CREATE OR REPLACE TEMP TABLE below AS
SELECT folder_id, guid FROM changes WHERE is_folder AND NOT repeated AND (elsewhere OR op NOT IN ('modified', 'acl_changed'))
UNION
SELECT folder_id, guid FROM nodes WHERE observed
