-- +goose Up
CREATE TABLE glance_metadef_namespaces (
    id {{autoid}},
    namespace TEXT NOT NULL UNIQUE,
    display_name TEXT,
    description TEXT,
    visibility TEXT NOT NULL,
    protected BOOLEAN NOT NULL,
    owner TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX glance_metadef_namespaces_created ON glance_metadef_namespaces (created_at, id);

CREATE TABLE glance_metadef_items (
    namespace_id BIGINT NOT NULL REFERENCES glance_metadef_namespaces (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    doc TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (namespace_id, kind, name)
);
CREATE INDEX glance_metadef_items_name ON glance_metadef_items (kind, name);

CREATE TABLE glance_metadef_resource_types (
    name TEXT PRIMARY KEY,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
INSERT INTO glance_metadef_resource_types (name, created_at, updated_at) VALUES
    ('OS::Cinder::Volume', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP),
    ('OS::Glance::Image', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP),
    ('OS::Nova::Aggregate', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP),
    ('OS::Nova::Flavor', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP),
    ('OS::Nova::Server', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP),
    ('OS::Trove::Instance', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP);
