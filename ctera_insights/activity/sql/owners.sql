-- A state without a cloud folder belongs to the one that holds, or has just told of, an object of its guid.
CREATE OR REPLACE TEMP TABLE raw AS
WITH owners AS (
    SELECT guid, min(folder_id) AS folder_id
    FROM (
        SELECT guid, folder_id FROM raw WHERE folder_id <> -1
        UNION
        SELECT guid, folder_id FROM {objects} WHERE folder_id <> -1
    )
    SEMI JOIN (SELECT guid FROM raw WHERE folder_id = -1) lost USING (guid)
    GROUP BY guid
    HAVING count(*) = 1
)
SELECT raw.* REPLACE (if(raw.folder_id = -1, coalesce(owners.folder_id, -1), raw.folder_id) AS folder_id)
FROM raw
LEFT JOIN owners USING (guid)
