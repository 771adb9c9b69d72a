-- +goose Up
-- What a project uses is counted with every server that it makes: from this index alone.
CREATE INDEX nova_servers_use ON nova_servers (project_id, user_id, vcpus, memory_mb);
