-- Size distribution
-- Question: Are the bytes in many small files or in a few large ones?
-- Columns:
--   size_class: decimal class of the size
--   from_bytes: smallest size of the class
--   files: files that exist now
--   bytes: their bytes
--   share_of_files: 0 to 1
--   share_of_bytes: 0 to 1
-- Caveats: The state at the last collection; time and operation filters do not apply. 1 kB is 1,000 bytes.
-- Picture: distribution
WITH classes AS (
    SELECT
        CASE WHEN size < 1000 THEN if(size = 0, -1, 0) ELSE least(floor(log10(size)), 12) END::INTEGER AS class,
        count(*) AS files,
        sum(size) AS bytes
    FROM current
    WHERE type = 'file' AND size IS NOT NULL
    GROUP BY class
)
SELECT
    CASE class
        WHEN -1 THEN 'empty' WHEN 0 THEN 'under 1 kB'
        WHEN 3 THEN '1 to 10 kB' WHEN 4 THEN '10 to 100 kB' WHEN 5 THEN '100 kB to 1 MB'
        WHEN 6 THEN '1 to 10 MB' WHEN 7 THEN '10 to 100 MB' WHEN 8 THEN '100 MB to 1 GB'
        WHEN 9 THEN '1 to 10 GB' WHEN 10 THEN '10 to 100 GB' WHEN 11 THEN '100 GB to 1 TB' ELSE '1 TB and more'
    END AS size_class,
    CASE class WHEN -1 THEN 0 WHEN 0 THEN 1 ELSE pow(10, class) END::BIGINT AS from_bytes,
    files,
    bytes,
    files / sum(files) OVER () AS share_of_files,
    coalesce(bytes / nullif(sum(bytes) OVER (), 0), 0) AS share_of_bytes
FROM classes
ORDER BY from_bytes
