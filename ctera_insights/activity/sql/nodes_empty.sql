CREATE OR REPLACE TEMP TABLE nodes (
    node BIGINT, folder_id BIGINT, guid VARCHAR, name VARCHAR, parent_guid VARCHAR, rooted BOOLEAN,
    deleted_pos BIGINT, rid BIGINT, observed BOOLEAN, path VARCHAR, gone_pos BIGINT, missing VARCHAR
)
