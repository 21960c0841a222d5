-- Age distribution
-- Question: When were the files that exist now last changed?
-- Columns:
--   age_class: age at `as_of`
--   from_days: youngest age of the class, days
--   files: files that exist now
--   bytes: their bytes
--   share_of_files: 0 to 1
--   share_of_bytes: 0 to 1
-- Parameters:
--   as_of: the moment that ages are counted back from; by default the last change that the store knows
-- Caveats: The age comes from the file's own time, or from the Portal's where the file has none.
-- Picture: distribution
WITH aged AS (
    SELECT
        (epoch_us($as_of) - epoch_us(coalesce(file_timestamp, portal_modified_date))) / 86400e6 AS days, size
    FROM current
    WHERE type = 'file'
),
classes AS (
    SELECT
        CASE
            WHEN days IS NULL THEN NULL WHEN days < 1 THEN 0 WHEN days < 7 THEN 1 WHEN days < 30 THEN 7
            WHEN days < 90 THEN 30 WHEN days < 365 THEN 90 WHEN days < 1096 THEN 365 ELSE 1096
        END AS from_days,
        count(*) AS files,
        coalesce(sum(size), 0) AS bytes
    FROM aged
    GROUP BY from_days
)
SELECT
    CASE from_days
        WHEN 0 THEN 'under 1 day' WHEN 1 THEN '1 to 7 days' WHEN 7 THEN '7 to 30 days' WHEN 30 THEN '30 to 90 days'
        WHEN 90 THEN '90 days to 1 year' WHEN 365 THEN '1 to 3 years' WHEN 1096 THEN '3 years and more'
        ELSE 'unknown'
    END AS age_class,
    from_days,
    files,
    bytes,
    files / sum(files) OVER () AS share_of_files,
    coalesce(bytes / nullif(sum(bytes) OVER (), 0), 0) AS share_of_bytes
FROM classes
ORDER BY from_days NULLS LAST
