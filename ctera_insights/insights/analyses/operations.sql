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
WITH numbered AS (
    SELECT unnest(ops) AS op, generate_subscripts(ops, 1) AS bit
    FROM (SELECT ['created', 'modified', 'renamed', 'moved', 'deleted', 'restored', 'acl_changed'] AS ops)
),
-- A bit for each operation that an object saw: one group an object instead of one an object and operation.
touched AS (
    SELECT type, bit_or(1 << bit) AS bits
    FROM changes
    JOIN numbered USING (op)
    GROUP BY type, hash(feed, folder_id, guid)
),
counted AS (
    SELECT op, type, sum(n) AS objects
    FROM (SELECT type, bits, count(*) AS n FROM touched GROUP BY type, bits)
    JOIN numbered ON bits & (1 << bit) <> 0
    GROUP BY op, type
),
summed AS (
    SELECT
        op,
        type,
        count(*) AS events,
        coalesce(sum(greatest(size_delta, 0)), 0) AS bytes_added,
        coalesce(-sum(least(size_delta, 0)), 0) AS bytes_removed,
        min("at") AS first_at,
        max("at") AS last_at
    FROM changes
    GROUP BY op, type
)
SELECT summed.op, summed.type, events, objects, bytes_added, bytes_removed, first_at, last_at
FROM summed
JOIN counted ON counted.op = summed.op AND counted.type IS NOT DISTINCT FROM summed.type
ORDER BY events DESC, summed.op, summed.type
