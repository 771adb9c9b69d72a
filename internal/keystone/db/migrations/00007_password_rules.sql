-- +goose Up
ALTER TABLE keystone_users ADD COLUMN failed_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keystone_users ADD COLUMN failed_at TIMESTAMP;
ALTER TABLE keystone_users ADD COLUMN last_active_at TIMESTAMP;
-- The password was set by somebody else, and is good only for setting another.
ALTER TABLE keystone_users ADD COLUMN must_change BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE keystone_old_passwords (
    id            {{autoid}},
    user_id       TEXT NOT NULL REFERENCES keystone_users (id) ON DELETE CASCADE,
    password_hash TEXT NOT NULL,
    replaced_at   TIMESTAMP NOT NULL
);
CREATE INDEX keystone_old_passwords_user ON keystone_old_passwords (user_id);
