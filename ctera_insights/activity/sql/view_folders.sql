SELECT
    feed, folder_id, guid, cloud_folder, path, name, depth, deleted, parent_guid, file_timestamp,
    portal_modified_date, first_seen_at, acl
FROM ({objects})
WHERE type <> 'file'
