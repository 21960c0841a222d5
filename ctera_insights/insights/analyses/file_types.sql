-- File types
-- Question: Which kinds of files are stored, how many, and how large?
-- Columns:
--   extension: without the dot, lower case; empty means none
--   files: files that exist now
--   bytes: their bytes
--   share_of_files: 0 to 1
--   share_of_bytes: 0 to 1
--   median_bytes: median size, bytes
-- Parameters:
--   limit: number of extensions
-- Caveats: The state at the last collection; time and operation filters do not apply.
-- Picture: bytes_bars
SELECT
    coalesce(extension, '') AS extension,
    count(*) AS files,
    coalesce(sum(size), 0) AS bytes,
    files / sum(files) OVER () AS share_of_files,
    coalesce(bytes / nullif(sum(bytes) OVER (), 0), 0) AS share_of_bytes,
    median(size) AS median_bytes
FROM current
WHERE type = 'file'
GROUP BY coalesce(extension, '')
ORDER BY bytes DESC, extension
LIMIT $limit
