-- All rows of the file, the torn ones with their paths put right.
WITH mended AS (
    SELECT
        c.* EXCLUDE (folder_id) REPLACE (
            CASE WHEN p.path IS NULL THEN c.path WHEN {own} THEN p.path ELSE p.path || '/' || {name} END AS path,
            CASE
                WHEN q.path IS NULL THEN c.old_path
                WHEN c.is_folder THEN q.path
                ELSE q.path || '/' || split_part(c.old_path, '/', -1)
            END AS old_path,
            if(p.path IS NULL, c.cloud_folder, p.cloud_folder) AS cloud_folder,
            if(p.path IS NULL, c.missing, p.missing) AS missing,
            if(q.path IS NULL, c.old_missing, q.missing) AS old_missing
        ),
        c.told_folder_id AS folder_id
    FROM torn c
    LEFT JOIN answers a ON a.row = c.row AND NOT a.old
    LEFT JOIN places p ON p.place = a.place
    LEFT JOIN answers b ON b.row = c.row AND b.old
    LEFT JOIN places q ON q.place = b.place
)
SELECT {columns}
FROM (SELECT * REPLACE ((length(path) - length(replace(path, '/', '')))::INTEGER AS depth) FROM mended)
ORDER BY "at", pos, guid
