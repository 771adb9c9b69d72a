-- +goose Up
-- The key repository that all replicas use: 0 is the staged key, the highest the primary, as in upstream's directory. keys in the row of generations
-- grows with every rotation.
CREATE TABLE keystone_fernet_keys (
    number     BIGINT PRIMARY KEY,
    key        TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
ALTER TABLE keystone_generations ADD COLUMN keys BIGINT NOT NULL DEFAULT 1;
