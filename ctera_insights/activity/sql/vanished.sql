-- What lived before a new inventory and does not stand in it was deleted while nobody looked. What had gone with its
-- folder already is no news.
INSERT INTO judged BY NAME
SELECT
    NULL AS seq,
    -row_number() OVER () AS row,
    $high AS batch,
    $epoch AS epoch,
    'baseline' AS phase,
    $closed_at AS collected_at,
    o.type,
    o.guid,
    true AS deleted,
    o.name,
    o.folder_id,
    o.parent_guid,
    o.id,
    o.size,
    o.file_timestamp,
    NULL::TIMESTAMPTZ AS modified,
    o.acl,
    o.gvsn,
    $last_pos AS pos,
    o.pos AS old_pos,
    false AS old_deleted,
    o.size AS old_size,
    o.rid AS known_rid,
    o.first_seen_at AS seen_at,
    coalesce(o.type, 'file') <> 'file' AS is_folder,
    false AS stale,
    false AS elsewhere,
    false AS acl_changed,
    if(coalesce(f.gone_pos > o.pos, false), 'unchanged', 'deleted') AS op,
    if(coalesce(o.type, 'file') <> 'file', NULL, try_cast(-o.size::HUGEINT AS BIGINT)) AS size_delta,
    false AS repeated,
    true AS vanished
FROM {objects} o
ANTI JOIN raw ON raw.folder_id = o.folder_id AND raw.guid = o.guid
LEFT JOIN {folders} f ON f.folder_id = o.folder_id AND f.guid = o.directory
WHERE NOT o.deleted
