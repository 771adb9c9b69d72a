-- +goose Up

-- A service's default limit of one of its resources; region_id NULL is every region.
CREATE TABLE keystone_registered_limits (
    id            TEXT PRIMARY KEY,
    service_id    TEXT NOT NULL REFERENCES keystone_services (id) ON DELETE CASCADE,
    region_id     TEXT REFERENCES keystone_regions (id) ON DELETE CASCADE,
    resource_name TEXT NOT NULL,
    default_limit BIGINT NOT NULL,
    description   TEXT
);
CREATE UNIQUE INDEX keystone_registered_limits_unique ON keystone_registered_limits (service_id, coalesce(region_id, ''), resource_name);
CREATE INDEX keystone_registered_limits_region ON keystone_registered_limits (region_id);

-- The limit of one project or domain (target_id), in place of the default.
CREATE TABLE keystone_limits (
    id                  TEXT PRIMARY KEY,
    registered_limit_id TEXT NOT NULL REFERENCES keystone_registered_limits (id) ON DELETE CASCADE,
    target_id           TEXT NOT NULL REFERENCES keystone_projects (id) ON DELETE CASCADE,
    is_domain           BOOLEAN NOT NULL,
    resource_limit      BIGINT NOT NULL,
    description         TEXT,
    UNIQUE (registered_limit_id, target_id)
);
CREATE INDEX keystone_limits_target ON keystone_limits (target_id);
