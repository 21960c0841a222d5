-- Observed changes by operation
-- Question: What was done, to how many files and folders, and with how many bytes?
-- Columns:
--   op: operation
--   type: file or folder
--   events: observed changes
--   objects: different files or folders touched, estimated to within about 2 %
--   bytes_added: bytes by which files grew or appeared
--   bytes_removed: bytes by which files shrank or went
--   first_at: first such change, UTC
--   last_at: last such change, UTC
-- Caveats: Deleting a folder counts the descendants that the Portal tells of, and no others.
-- Picture: operations
SELECT
    op,
    type,
    count(*) AS events,
    approx_count_distinct(hash(folder_id, guid)) AS objects,
    coalesce(sum(greatest(size_delta, 0)), 0)::BIGINT AS bytes_added,
    coalesce(sum(greatest(-size_delta, 0)), 0)::BIGINT AS bytes_removed,
    min("at") AS first_at,
    max("at") AS last_at
FROM changes
GROUP BY op, type
ORDER BY events DESC, op, type
