CREATE OR REPLACE TEMP TABLE wanted AS
SELECT folder_id, guid
FROM below
ANTI JOIN nodes ON nodes.folder_id = below.folder_id AND nodes.guid = below.guid
