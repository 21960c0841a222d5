CREATE OR REPLACE TEMP TABLE solos AS
SELECT raw.* FROM raw ANTI JOIN busy ON busy.folder_id = raw.folder_id AND busy.guid = raw.guid
