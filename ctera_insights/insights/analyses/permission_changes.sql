-- Permission changes
-- Question: Whose access changed, where, and did something open to everyone?
-- Columns:
--   at: time of the change, UTC
--   cloud_folder: cloud folder
--   path: path
--   type: file or folder
--   gained: who gained which rights, or became the owner, in words; 'unreadable' where a descriptor could not be read
--   lost: who lost which rights, in words; likewise
--   opened_to: broad groups (Everyone, Authenticated Users, …) that gained rights; empty when none did
--   unreadable: which descriptor could not be read, and why; empty when both could
--   acl: security descriptor after, SDDL
--   old_acl: security descriptor before, SDDL; null where none was known
-- Parameters:
--   limit: number of changes, latest first
-- Caveats: Only what stands in the object's own descriptor; group membership is unknown to the feed.
-- Picture: none
SELECT "at", cloud_folder, path, type, acl, old_acl
FROM changes
WHERE acl_changed
ORDER BY "at" DESC, feed, seq DESC
LIMIT $limit
