-- The rows of `activity`, in the order of time.
WITH told AS (
    SELECT
        $feed AS feed,
        c.seq,
        coalesce(CASE WHEN c.modified BETWEEN '0001-01-02' AND '9999-12-30' THEN c.modified END, c.collected_at) AS "at",
        c.collected_at,
        if($resync, 'live', c.phase) AS phase,
        c.op,
        c.type,
        c.guid,
        nullif(c.folder_id, -1) AS folder_id,
        p.cloud_folder,
        CASE
            WHEN p.path IS NULL THEN if(c.is_folder, '', '?/') || {name}
            WHEN {own} THEN p.path
            ELSE p.path || '/' || {name}
        END AS path,
        CASE
            WHEN NOT c.elsewhere THEN NULL
            WHEN q.path IS NULL THEN '?/' || {old_name}
            WHEN c.is_folder THEN q.path
            ELSE q.path || '/' || {old_name}
        END AS old_path,
        c.name,
        {extension} AS extension,
        c.size,
        nullif(c.size_delta, -9223372036854775808) AS size_delta, -- so that a delta can be turned round
        c.deleted,
        c.file_timestamp,
        c.acl_changed,
        c.parent_guid,
        if(c.elsewhere, c.old_parent_guid, NULL) AS old_parent_guid,
        c.id,
        if(c.acl_changed, c.acl, NULL) AS acl,
        if(c.acl_changed, c.old_acl, NULL) AS old_acl,
        c.epoch,
        c.batch,
        c.pos,
        p.missing,
        q.missing AS old_missing
    FROM changes c
    LEFT JOIN answers a ON a.row = c.row AND NOT a.old
    LEFT JOIN places p ON p.place = a.place
    LEFT JOIN answers b ON b.row = c.row AND b.old
    LEFT JOIN places q ON q.place = b.place
    WHERE NOT ($resync AND c.op = 'unchanged')
)
SELECT *, (length(path) - length(replace(path, '/', '')))::INTEGER AS depth
FROM told
ORDER BY "at", pos
