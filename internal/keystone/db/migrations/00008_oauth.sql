-- +goose Up
CREATE TABLE keystone_consumers (
    id          TEXT PRIMARY KEY,
    description TEXT,
    secret      TEXT NOT NULL,
    extra       TEXT NOT NULL
);

-- A consumer's request to act for somebody on a project; the user, the roles and the verifier are there once somebody has authorized it.
CREATE TABLE keystone_request_tokens (
    id          TEXT PRIMARY KEY,
    secret      TEXT NOT NULL,
    consumer_id TEXT NOT NULL REFERENCES keystone_consumers (id) ON DELETE CASCADE,
    project_id  TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    verifier    TEXT NOT NULL,
    role_ids    TEXT NOT NULL,
    expires_at  TIMESTAMP
);
CREATE INDEX keystone_request_tokens_consumer ON keystone_request_tokens (consumer_id);

-- What a consumer acts by: for a user, on a project, with some roles.
CREATE TABLE keystone_access_tokens (
    id          TEXT PRIMARY KEY,
    secret      TEXT NOT NULL,
    consumer_id TEXT NOT NULL REFERENCES keystone_consumers (id) ON DELETE CASCADE,
    user_id     TEXT NOT NULL REFERENCES keystone_users (id) ON DELETE CASCADE,
    project_id  TEXT NOT NULL REFERENCES keystone_projects (id) ON DELETE CASCADE,
    role_ids    TEXT NOT NULL,
    expires_at  TIMESTAMP
);
CREATE INDEX keystone_access_tokens_consumer ON keystone_access_tokens (consumer_id);
CREATE INDEX keystone_access_tokens_user ON keystone_access_tokens (user_id);
CREATE INDEX keystone_access_tokens_project ON keystone_access_tokens (project_id);
