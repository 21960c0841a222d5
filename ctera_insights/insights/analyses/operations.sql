-- Observed changes by operation
-- Question: What was done, to how many files and folders, and with how many bytes?
-- Columns:
--   op: operation
--   type: file or folder
--   events: observed changes
--   objects: different files or folders touched
--   bytes_added: bytes by which files grew or appeared
--   bytes_removed: bytes by which files shrank or went
--   first_at: first such change, UTC
--   last_at: last such change, UTC
-- Caveats: Deleting a folder counts the descendants that the Portal tells of, and no others.
-- Picture: operations
WITH per_object AS (
    SELECT
        op,
        type,
        hash(folder_id, guid) AS object, -- eight bytes instead of fifty to group by
        count(*) AS events,
        sum(greatest(size_delta, 0)) AS bytes_added,
        sum(greatest(-size_delta, 0)) AS bytes_removed,
        min("at") AS first_at,
        max("at") AS last_at
    FROM changes
    GROUP BY ALL
)
SELECT
    op,
    type,
    sum(events)::BIGINT AS events,
    count(*) AS objects,
    coalesce(sum(bytes_added), 0)::BIGINT AS bytes_added,
    coalesce(sum(bytes_removed), 0)::BIGINT AS bytes_removed,
    min(first_at) AS first_at,
    max(last_at) AS last_at
FROM per_object
GROUP BY op, type
ORDER BY events DESC, op, type
