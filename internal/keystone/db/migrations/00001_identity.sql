-- +goose Up

-- A domain is a project with is_domain; it has no domain and no parent, which are written as '' so that names stay unique.
CREATE TABLE keystone_projects (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    domain_id   TEXT NOT NULL,
    parent_id   TEXT NOT NULL,
    is_domain   BOOLEAN NOT NULL,
    enabled     BOOLEAN NOT NULL,
    description TEXT NOT NULL,
    tags        TEXT NOT NULL,
    options     TEXT NOT NULL,
    extra       TEXT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX keystone_projects_parent ON keystone_projects (parent_id);

CREATE TABLE keystone_users (
    id                  TEXT PRIMARY KEY,
    domain_id           TEXT NOT NULL REFERENCES keystone_projects (id),
    name                TEXT NOT NULL,
    enabled             BOOLEAN NOT NULL,
    default_project_id  TEXT NOT NULL,
    password_hash       TEXT NOT NULL,
    password_created_at TIMESTAMP,
    password_expires_at TIMESTAMP,
    created_at          TIMESTAMP NOT NULL,
    options             TEXT NOT NULL,
    extra               TEXT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX keystone_users_default_project ON keystone_users (default_project_id);

CREATE TABLE keystone_groups (
    id          TEXT PRIMARY KEY,
    domain_id   TEXT NOT NULL REFERENCES keystone_projects (id),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    extra       TEXT NOT NULL,
    UNIQUE (domain_id, name)
);

CREATE TABLE keystone_memberships (
    user_id  TEXT NOT NULL REFERENCES keystone_users (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES keystone_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX keystone_memberships_group ON keystone_memberships (group_id);

-- domain_id is '' for a global role.
CREATE TABLE keystone_roles (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    domain_id   TEXT NOT NULL,
    description TEXT,
    options     TEXT NOT NULL,
    extra       TEXT NOT NULL,
    UNIQUE (domain_id, name)
);

CREATE TABLE keystone_implied_roles (
    prior_role_id   TEXT NOT NULL REFERENCES keystone_roles (id) ON DELETE CASCADE,
    implied_role_id TEXT NOT NULL REFERENCES keystone_roles (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_role_id, implied_role_id)
);
CREATE INDEX keystone_implied_roles_implied ON keystone_implied_roles (implied_role_id);

-- actor_type is user or group; target_type is project, domain or system, and target_id is the word system for the last.
CREATE TABLE keystone_assignments (
    actor_type  TEXT NOT NULL,
    actor_id    TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    role_id     TEXT NOT NULL REFERENCES keystone_roles (id) ON DELETE CASCADE,
    inherited   BOOLEAN NOT NULL,
    PRIMARY KEY (actor_type, actor_id, target_type, target_id, role_id, inherited)
);
CREATE INDEX keystone_assignments_target ON keystone_assignments (target_id);
CREATE INDEX keystone_assignments_role ON keystone_assignments (role_id);

CREATE TABLE keystone_regions (
    id               TEXT PRIMARY KEY,
    parent_region_id TEXT REFERENCES keystone_regions (id),
    description      TEXT NOT NULL,
    extra            TEXT NOT NULL
);
CREATE INDEX keystone_regions_parent ON keystone_regions (parent_region_id);

CREATE TABLE keystone_services (
    id      TEXT PRIMARY KEY,
    type    TEXT NOT NULL,
    name    TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    extra   TEXT NOT NULL
);

CREATE TABLE keystone_endpoints (
    id         TEXT PRIMARY KEY,
    interface  TEXT NOT NULL,
    service_id TEXT NOT NULL REFERENCES keystone_services (id) ON DELETE CASCADE,
    region_id  TEXT REFERENCES keystone_regions (id),
    url        TEXT NOT NULL,
    enabled    BOOLEAN NOT NULL,
    extra      TEXT NOT NULL
);
CREATE INDEX keystone_endpoints_service ON keystone_endpoints (service_id);
CREATE INDEX keystone_endpoints_region ON keystone_endpoints (region_id);

-- A revocation names one token (audit_id), a chain of tokens (audit_chain_id), or all tokens of a user up to issued_before.
CREATE TABLE keystone_revocations (
    id             {{autoid}},
    audit_id       TEXT NOT NULL,
    audit_chain_id TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    issued_before  TIMESTAMP NOT NULL,
    revoked_at     TIMESTAMP NOT NULL
);
CREATE INDEX keystone_revocations_revoked_at ON keystone_revocations (revoked_at);

-- One row. identity grows with every change that can alter what a token is worth, revocations with every revocation:
-- a replica compares them with what it has in memory.
CREATE TABLE keystone_generations (
    id          BIGINT PRIMARY KEY,
    identity    BIGINT NOT NULL,
    revocations BIGINT NOT NULL
);
INSERT INTO keystone_generations (id, identity, revocations) VALUES (1, 1, 1);
