-- The last states of the objects that the raw rows name: from `objects`, or as the Portal's `ancestors` gave them.
CREATE OR REPLACE TEMP TABLE known AS
WITH stored AS (
    SELECT o.*
    FROM {objects} o
    SEMI JOIN named ON named.folder_id = o.folder_id AND named.guid = o.guid
)
SELECT
    rid, folder_id, guid, pos, first_seen_at, type, deleted, name, {parent} AS parent_guid, id, size, file_timestamp,
    portal_modified_date AS modified, acl, gvsn,
    try_cast(split_part(gvsn, ':', -1) AS BIGINT) AS version,
    left(gvsn, length(gvsn) - length(split_part(gvsn, ':', -1))) AS replica
FROM stored
UNION ALL
SELECT
    NULL, folder_id, guid, 0, observed_at, type, deleted, name, parent_guid, id, size, file_timestamp,
    portal_modified_date, acl, gvsn,
    try_cast(split_part(gvsn, ':', -1) AS BIGINT),
    left(gvsn, length(gvsn) - length(split_part(gvsn, ':', -1)))
FROM observed
SEMI JOIN named ON named.folder_id = observed.folder_id AND named.guid = observed.guid
ANTI JOIN stored ON stored.folder_id = observed.folder_id AND stored.guid = observed.guid;
-- Those that have a state before, or more than one now; all others are told of for the first and only time.
CREATE OR REPLACE TEMP TABLE busy AS
SELECT folder_id, guid FROM named WHERE states > 1
UNION
SELECT folder_id, guid FROM known
