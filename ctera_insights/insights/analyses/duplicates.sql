-- Duplicate candidates
-- Question: Which files seem to be stored more than once?
-- Columns:
--   name: base name that they share
--   size: size that they share, bytes
--   copies: files of this name and size
--   wasted_bytes: bytes beyond the first copy
--   cloud_folders: different cloud folders they lie in
--   sample_paths: up to five of their paths
-- Parameters:
--   min_bytes: smallest file that counts, bytes
--   limit: number of groups
-- Caveats: Same name and size are a hint, not proof: the feed carries no content. Compare through Direct IO.
-- Picture: none
WITH top AS (
    SELECT name, size, count(*) AS copies, (count(*) - 1) * size::HUGEINT AS wasted_bytes
    FROM current
    WHERE type = 'file' AND size >= $min_bytes
    GROUP BY name, size
    HAVING copies > 1
    ORDER BY wasted_bytes DESC, name, size
    LIMIT $limit
)
SELECT
    name,
    size,
    any_value(copies) AS copies,
    any_value(wasted_bytes) AS wasted_bytes,
    count(DISTINCT hash(feed, folder_id)) AS cloud_folders,
    list(path ORDER BY path)[1:5] AS sample_paths
FROM current
JOIN top USING (name, size)
WHERE type = 'file'
GROUP BY name, size
ORDER BY wasted_bytes DESC, name, size
