-- +goose Up
-- What lists out of many servers are narrowed and sorted by. Most servers are active: those that are not are few, and looked for.
CREATE INDEX nova_servers_name ON nova_servers (name, id);
CREATE INDEX nova_servers_user ON nova_servers (user_id, created_at, id);
CREATE INDEX nova_servers_image ON nova_servers (image_id, project_id, created_at, id);
CREATE INDEX nova_servers_state ON nova_servers (vm_state, created_at, id) WHERE vm_state <> 'active';
CREATE INDEX nova_deleted_servers_created ON nova_deleted_servers (created_at, id);
CREATE INDEX nova_deleted_servers_terminated ON nova_deleted_servers (terminated_at);
