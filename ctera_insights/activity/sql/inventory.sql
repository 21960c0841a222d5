-- A later inventory is one moment: the last it said of each object, all at one place in the order of changes.
CREATE OR REPLACE TEMP TABLE raw AS
SELECT * REPLACE (max(pos) OVER () AS pos)
FROM (SELECT * FROM raw QUALIFY row_number() OVER (PARTITION BY folder_id, guid ORDER BY pos DESC) = 1)
