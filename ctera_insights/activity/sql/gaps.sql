-- How many new states leave something out that an earlier state may have told.
SELECT count(*)
FROM states
WHERE NOT old AND (
    type IS NULL OR name IS NULL OR file_timestamp IS NULL OR id IS NULL
    OR (size IS NULL AND coalesce(type, 'file') = 'file')
    OR (parent_guid IS NULL AND (deleted OR coalesce(type, 'file') = 'file'))
    OR (acl IS NULL AND EXISTS (SELECT 1 FROM states s WHERE s.acl IS NOT NULL))
)
