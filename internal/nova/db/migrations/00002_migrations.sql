-- +goose Up

-- Moves of servers between hosts, and resizes: upstream's migrations. A row outlives its server.
-- old_flavor_id and new_flavor_id are the numbers of flavors (nova_flavors.seq); old_flavor and new_flavor are copies of them.
-- details belongs to the operation that moves: what it must know to go back or to finish later.
CREATE TABLE nova_migrations (
    id               {{autoid}},
    uuid             TEXT NOT NULL UNIQUE,
    instance_uuid    TEXT NOT NULL,
    source_compute   TEXT NOT NULL DEFAULT '',
    source_node      TEXT NOT NULL DEFAULT '',
    dest_compute     TEXT NOT NULL DEFAULT '',
    dest_node        TEXT NOT NULL DEFAULT '',
    dest_host        TEXT NOT NULL DEFAULT '',
    old_flavor_id    BIGINT,
    new_flavor_id    BIGINT,
    old_flavor       TEXT NOT NULL DEFAULT '{}',
    new_flavor       TEXT NOT NULL DEFAULT '{}',
    status           TEXT NOT NULL,
    migration_type   TEXT NOT NULL,
    cross_cell_move  BOOLEAN NOT NULL DEFAULT FALSE,
    user_id          TEXT,
    project_id       TEXT,
    memory_total     BIGINT,
    memory_processed BIGINT,
    memory_remaining BIGINT,
    disk_total       BIGINT,
    disk_processed   BIGINT,
    disk_remaining   BIGINT,
    operation_id     TEXT,
    details          TEXT NOT NULL DEFAULT '{}',
    created_at       TIMESTAMP NOT NULL,
    updated_at       TIMESTAMP NOT NULL
);
CREATE INDEX nova_migrations_server ON nova_migrations (instance_uuid, id);
CREATE INDEX nova_migrations_created ON nova_migrations (created_at, id);
CREATE INDEX nova_migrations_updated ON nova_migrations (updated_at);
CREATE INDEX nova_migrations_source ON nova_migrations (source_compute, status);
CREATE INDEX nova_migrations_dest ON nova_migrations (dest_compute, status);
CREATE INDEX nova_migrations_status ON nova_migrations (status, migration_type);
