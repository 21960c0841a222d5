-- Hot files
-- Question: Which files change most often?
-- Columns:
--   path: path at the last of these changes
--   cloud_folder: cloud folder
--   events: observed changes
--   bytes_added: bytes by which the file grew
--   bytes_removed: bytes by which it shrank
--   size: size after the last change, bytes
--   last_at: last change, UTC
--   folder_id: uid of the cloud folder
--   guid: identity within the cloud folder
-- Parameters:
--   limit: number of files
-- Picture: bars
WITH counted AS MATERIALIZED (
    -- Eight bytes instead of fifty to group by; what is counted exactly follows for the few that matter.
    SELECT hash(feed, folder_id, guid) AS object, count(*) AS events
    FROM changes
    WHERE type = 'file'
    GROUP BY object
),
frequent AS (
    SELECT object
    FROM counted
    WHERE events >= coalesce((SELECT events FROM counted ORDER BY events DESC LIMIT 1 OFFSET ($limit - 1)), 0)
),
hottest AS (
    SELECT
        feed,
        folder_id,
        guid,
        count(*) AS events,
        coalesce(sum(greatest(size_delta, 0)), 0) AS bytes_added,
        coalesce(-sum(least(size_delta, 0)), 0) AS bytes_removed,
        max("at") AS last_at,
        max(seq) AS seq
    FROM changes
    SEMI JOIN frequent ON frequent.object = hash(changes.feed, changes.folder_id, changes.guid)
    WHERE type = 'file'
    GROUP BY feed, folder_id, guid
    ORDER BY events DESC, feed, folder_id, guid
    LIMIT $limit
)
SELECT
    changes.path,
    changes.cloud_folder,
    hottest.events,
    hottest.bytes_added,
    hottest.bytes_removed,
    changes.size,
    hottest.last_at,
    hottest.folder_id,
    hottest.guid
FROM hottest
JOIN changes USING (feed, folder_id, guid, seq)
ORDER BY events DESC, feed, folder_id, guid
