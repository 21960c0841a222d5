-- Hot, warm and cold data
-- Question: How much of what is stored is still in use?
-- Columns:
--   cloud_folder: cloud folder
--   temperature: hot, warm or cold
--   files: files that exist now
--   bytes: their bytes
--   share_of_bytes: share of the cloud folder's bytes, 0 to 1
-- Parameters:
--   hot_days: a file is hot when it is younger, days
--   warm_days: a file is warm when it is younger but not hot, days
--   as_of: the moment that ages are counted back from; by default the last change that the store knows
-- Caveats: The age comes from the file's own time, or from the Portal's where the file has none; a file without
--   either counts as cold. Reading a file leaves no trace in the feed.
-- Picture: temperature
WITH classed AS (
    SELECT
        cloud_folder,
        CASE
            WHEN epoch_us(coalesce(file_timestamp, portal_modified_date))
                > epoch_us($as_of) - $hot_days * 86400e6 THEN 'hot'
            WHEN epoch_us(coalesce(file_timestamp, portal_modified_date))
                > epoch_us($as_of) - $warm_days * 86400e6 THEN 'warm'
            ELSE 'cold'
        END AS temperature,
        count(*) AS files,
        coalesce(sum(size), 0) AS bytes
    FROM current
    WHERE type = 'file'
    GROUP BY ALL
)
SELECT
    cloud_folder,
    temperature,
    files,
    bytes,
    coalesce(bytes / nullif(sum(bytes) OVER (PARTITION BY cloud_folder), 0), 0) AS share_of_bytes
FROM classed
ORDER BY
    sum(bytes) OVER (PARTITION BY cloud_folder) DESC,
    cloud_folder,
    CASE temperature WHEN 'hot' THEN 0 WHEN 'warm' THEN 1 ELSE 2 END
