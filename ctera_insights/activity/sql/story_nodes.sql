CREATE OR REPLACE TEMP TABLE nodes AS
SELECT row_number() OVER (ORDER BY folder_id, guid) - 1 AS node, folder_id, guid
FROM (SELECT DISTINCT folder_id, guid FROM story)
