-- +goose Up

CREATE TABLE neutron_address_scopes (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    ip_version      BIGINT NOT NULL
);
CREATE INDEX neutron_address_scopes_project ON neutron_address_scopes (project_id, id);

-- default_quota is null when there is none. address_scope_id is empty when there is none.
CREATE TABLE neutron_subnetpools (
    id                TEXT PRIMARY KEY,
    project_id        TEXT NOT NULL,
    name              TEXT NOT NULL,
    description       TEXT NOT NULL,
    tags              TEXT NOT NULL,
    revision_number   BIGINT NOT NULL,
    created_at        TIMESTAMP NOT NULL,
    updated_at        TIMESTAMP NOT NULL,
    ip_version        BIGINT NOT NULL,
    prefixes          TEXT,
    default_prefixlen BIGINT NOT NULL,
    min_prefixlen     BIGINT NOT NULL,
    max_prefixlen     BIGINT NOT NULL,
    default_quota     BIGINT,
    is_default        BOOLEAN NOT NULL,
    address_scope_id  TEXT NOT NULL
);
CREATE INDEX neutron_subnetpools_project ON neutron_subnetpools (project_id, id);
CREATE INDEX neutron_subnetpools_scope ON neutron_subnetpools (address_scope_id);

ALTER TABLE neutron_subnets ADD COLUMN subnetpool_id TEXT NOT NULL DEFAULT '';
CREATE INDEX neutron_subnets_pool ON neutron_subnets (subnetpool_id);
