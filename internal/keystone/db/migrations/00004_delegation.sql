-- +goose Up

-- blob is encrypted with a key of keystone_credential_keys; key_hash tells which. project_id is '' when there is none.
CREATE TABLE keystone_credentials (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    project_id TEXT NOT NULL,
    type       TEXT NOT NULL,
    blob       TEXT NOT NULL,
    key_hash   TEXT NOT NULL,
    extra      TEXT NOT NULL
);
CREATE INDEX keystone_credentials_user ON keystone_credentials (user_id, type);
CREATE INDEX keystone_credentials_project ON keystone_credentials (project_id);
CREATE INDEX keystone_credentials_key ON keystone_credentials (key_hash);

-- Numbered as keystone_fernet_keys are.
CREATE TABLE keystone_credential_keys (
    number     BIGINT PRIMARY KEY,
    key        TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);

-- role_ids and access_rules are JSON; access_rules is NULL when requests are not restricted at all.
CREATE TABLE keystone_application_credentials (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES keystone_users (id) ON DELETE CASCADE,
    project_id   TEXT NOT NULL REFERENCES keystone_projects (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    secret_hash  TEXT NOT NULL,
    description  TEXT,
    unrestricted BOOLEAN NOT NULL,
    expires_at   TIMESTAMP,
    role_ids     TEXT NOT NULL,
    restricted   BOOLEAN NOT NULL,
    UNIQUE (user_id, name)
);
CREATE INDEX keystone_application_credentials_project ON keystone_application_credentials (project_id);

CREATE TABLE keystone_access_rules (
    id      TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES keystone_users (id) ON DELETE CASCADE,
    service TEXT NOT NULL,
    method  TEXT NOT NULL,
    path    TEXT NOT NULL,
    UNIQUE (user_id, service, method, path)
);

CREATE TABLE keystone_application_credential_rules (
    application_credential_id TEXT NOT NULL REFERENCES keystone_application_credentials (id) ON DELETE CASCADE,
    access_rule_id            TEXT NOT NULL REFERENCES keystone_access_rules (id),
    PRIMARY KEY (application_credential_id, access_rule_id)
);
CREATE INDEX keystone_application_credential_rules_rule ON keystone_application_credential_rules (access_rule_id);

CREATE TABLE keystone_trusts (
    id                   TEXT PRIMARY KEY,
    trustor_user_id      TEXT NOT NULL REFERENCES keystone_users (id) ON DELETE CASCADE,
    trustee_user_id      TEXT NOT NULL REFERENCES keystone_users (id) ON DELETE CASCADE,
    project_id           TEXT REFERENCES keystone_projects (id) ON DELETE CASCADE,
    impersonation        BOOLEAN NOT NULL,
    expires_at           TIMESTAMP,
    remaining_uses       BIGINT,
    redelegated_trust_id TEXT REFERENCES keystone_trusts (id) ON DELETE CASCADE,
    redelegation_count   BIGINT NOT NULL,
    role_ids             TEXT NOT NULL,
    extra                TEXT NOT NULL
);
CREATE INDEX keystone_trusts_trustor ON keystone_trusts (trustor_user_id);
CREATE INDEX keystone_trusts_trustee ON keystone_trusts (trustee_user_id);
CREATE INDEX keystone_trusts_project ON keystone_trusts (project_id);
CREATE INDEX keystone_trusts_redelegated ON keystone_trusts (redelegated_trust_id);
