SELECT
    o.feed,
    o.folder_id,
    o.guid,
    o.type,
    f.cloud_folder,
    CASE
        WHEN o.directory = o.guid THEN f.path
        WHEN f.path IS NULL THEN '?/' || coalesce(o.directory || '/', '') || {name}
        ELSE f.path || '/' || {name}
    END AS path,
    o.name,
    o.extension,
    CASE WHEN f.path IS NULL THEN if(o.directory IS NULL, 1, 2) WHEN o.directory = o.guid THEN f.depth ELSE f.depth + 1 END
        AS depth,
    o.size,
    o.deleted OR coalesce(f.gone_pos > o.pos, false) AS deleted,
    o.file_timestamp,
    o.portal_modified_date,
    o.first_seen_at,
    o.parent_guid,
    o.id,
    o.acl,
    o.gvsn
FROM {objects} o
LEFT JOIN {folders} f
    ON f.feed = o.feed AND f.guid = o.directory AND f.folder_id IS NOT DISTINCT FROM o.folder_id
