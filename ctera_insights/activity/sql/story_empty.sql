CREATE OR REPLACE TEMP TABLE told (folder_id BIGINT, guid VARCHAR);
CREATE OR REPLACE TEMP TABLE story (
    pos BIGINT, folder_id BIGINT, guid VARCHAR, name VARCHAR, parent_guid VARCHAR, deleted BOOLEAN
)
