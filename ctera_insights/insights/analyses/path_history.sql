-- Paths through time
-- Question: Under which paths did this file or folder live, and what happened to it?
-- Columns:
--   at: time of the change, UTC
--   phase: baseline (as first found) or live
--   op: operation
--   path: path after the change, as of then
--   old_path: path before, where it changed
--   size: bytes after the change
--   size_delta: bytes gained or lost
--   cloud_folder: cloud folder
--   guid: identity within the cloud folder
-- Parameters:
--   of_path: a path that the object has or once had
-- Caveats: Renaming a folder above is one change of that folder, and none of what lies in it.
-- Picture: none
WITH objects_once_there AS (
    SELECT feed, folder_id, guid
    FROM story
    WHERE path = $of_path OR old_path = $of_path
    UNION
    SELECT feed, folder_id, guid -- a folder above was renamed since the last change of its own
    FROM objects
    WHERE path = $of_path
)
SELECT "at", phase, op, path, old_path, size, size_delta, cloud_folder, guid
FROM story
SEMI JOIN objects_once_there USING (feed, folder_id, guid)
ORDER BY folder_id, guid, feed, "at", seq
