-- Each new state of a busy object beside the one before it: what it changed. When several things changed at once, `op` is the first
-- of: deleted, restored, moved, renamed, modified, acl_changed; `size_delta` and `acl_changed` tell of the others.
CREATE OR REPLACE TEMP TABLE judged AS
WITH steps AS (
    SELECT
        * EXCLUDE (first_seen_at, rid),
        lag(pos) OVER w AS old_pos,
        lag(deleted) OVER w AS old_deleted,
        lag(name) OVER w AS old_name,
        lag(parent_guid) OVER w AS old_parent_guid,
        lag(size) OVER w AS old_size,
        lag(file_timestamp) OVER w AS old_file_timestamp,
        lag(acl) OVER w AS old_acl,
        lag(gvsn) OVER w AS old_gvsn,
        lag(modified) OVER w AS old_modified,
        lag(id) OVER w AS old_id,
        first_value(rid) OVER w AS known_rid,
        first_value(first_seen_at) OVER w AS seen_at
    FROM states
    WHERE NOT stale
    WINDOW w AS (PARTITION BY folder_id, guid ORDER BY pos)
),
compared AS (
    SELECT
        * EXCLUDE (old),
        coalesce(type, 'file') <> 'file' AS is_folder,
        old_pos IS NOT NULL AND (
            name IS DISTINCT FROM old_name OR parent_guid IS DISTINCT FROM old_parent_guid
        ) AS elsewhere,
        old_pos IS NOT NULL AND NOT deleted AND acl IS DISTINCT FROM old_acl AS acl_changed,
        CASE
            WHEN old_pos IS NULL THEN if(deleted, 'deleted', 'created')
            WHEN deleted THEN if(old_deleted, 'unchanged', 'deleted')
            WHEN old_deleted THEN 'restored'
            WHEN parent_guid IS DISTINCT FROM old_parent_guid THEN 'moved'
            WHEN name IS DISTINCT FROM old_name THEN 'renamed'
            WHEN size IS DISTINCT FROM old_size OR file_timestamp IS DISTINCT FROM old_file_timestamp
                THEN 'modified'
            WHEN acl IS DISTINCT FROM old_acl THEN 'acl_changed'
            ELSE 'unchanged'
        END AS op
    FROM steps
    WHERE NOT old
)
SELECT
    *,
    seq AS row,
    CASE
        WHEN is_folder THEN NULL
        WHEN op IN ('created', 'restored') THEN size
        WHEN op = 'deleted' THEN try_cast(-old_size::HUGEINT AS BIGINT)
        WHEN deleted THEN 0
        ELSE try_cast(size::HUGEINT - coalesce(old_size, 0) AS BIGINT)
    END AS size_delta,
    op = 'unchanged' AND NOT elsewhere
        AND gvsn IS NOT DISTINCT FROM old_gvsn
        AND modified IS NOT DISTINCT FROM old_modified
        AND id IS NOT DISTINCT FROM old_id AS repeated,
    false AS vanished
FROM compared
UNION ALL BY NAME
SELECT
    * EXCLUDE (first_seen_at, rid, old),
    seq AS row,
    coalesce(type, 'file') <> 'file' AS is_folder,
    false AS elsewhere,
    false AS acl_changed,
    'unchanged' AS op,
    if(coalesce(type, 'file') <> 'file', NULL, 0) AS size_delta,
    true AS repeated,
    false AS vanished
FROM states
WHERE stale
