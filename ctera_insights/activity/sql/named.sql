-- The objects that the raw rows tell of.
CREATE OR REPLACE TEMP TABLE named AS
SELECT folder_id, guid, count(*) AS states FROM raw GROUP BY ALL
