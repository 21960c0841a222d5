-- What contradicts the raw events, by feed.
WITH told AS (
    SELECT e.feed, e.seq, e.epoch > 1 AND e.phase = 'baseline' AS listed
    FROM {events} e
    JOIN marks m ON m.feed = e.feed AND e.batch <= m.batch
),
rows AS (SELECT feed, seq, count(*) AS times FROM {activity} WHERE seq IS NOT NULL GROUP BY ALL),
current_objects AS (
    SELECT s.feed, s.folder_id, s.guid
    FROM {objects} s
    ANTI JOIN (SELECT feed, replaces FROM {objects} WHERE replaces IS NOT NULL) r
        ON r.feed = s.feed AND r.replaces = s.rid
),
current_folders AS (
    SELECT s.feed, s.folder_id, s.guid
    FROM {folders} s
    ANTI JOIN (SELECT feed, replaces FROM {folders} WHERE replaces IS NOT NULL) r
        ON r.feed = s.feed AND r.replaces = s.rid
)
SELECT feed, 'events stand in activity more than once', count(*) FROM rows WHERE times > 1 GROUP BY feed
UNION ALL
SELECT told.feed, 'events are missing in activity', count(*)
FROM told
ANTI JOIN rows ON rows.feed = told.feed AND rows.seq = told.seq
WHERE NOT listed
GROUP BY told.feed
UNION ALL
SELECT rows.feed, 'rows of activity belong to no event', count(*)
FROM rows
ANTI JOIN told ON told.feed = rows.feed AND told.seq = rows.seq
GROUP BY rows.feed
UNION ALL
SELECT feed, 'objects have more than one current state', count(*)
FROM (SELECT feed FROM current_objects GROUP BY feed, folder_id, guid HAVING count(*) > 1)
GROUP BY feed
UNION ALL
SELECT feed, 'folders have more than one current place', count(*)
FROM (SELECT feed FROM current_folders GROUP BY feed, folder_id, guid HAVING count(*) > 1)
GROUP BY feed
UNION ALL
SELECT rows.feed, 'objects of activity have no state', count(*)
FROM (SELECT DISTINCT feed, folder_id, guid FROM {activity}) rows
ANTI JOIN current_objects c
    ON c.feed = rows.feed AND c.guid = rows.guid AND c.folder_id IS NOT DISTINCT FROM rows.folder_id
GROUP BY rows.feed
ORDER BY ALL
