-- +goose Up

-- The cloud's certificate authority: one row. All control replicas issue with it.
CREATE TABLE hosts_authority (
    id          BIGINT NOT NULL PRIMARY KEY,
    certificate TEXT NOT NULL,
    private_key TEXT NOT NULL,
    created_at  TIMESTAMP NOT NULL
);

-- Tokens with which one host may join once; only the hash of a token is kept. key_print is of the key that used it.
CREATE TABLE hosts_tokens (
    token_hash TEXT NOT NULL PRIMARY KEY,
    host       TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    used_at    TIMESTAMP,
    key_print  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX hosts_tokens_expiry ON hosts_tokens (expires_at);

-- Hosts that have joined, with the key that their certificate must have.
CREATE TABLE hosts_members (
    host         TEXT NOT NULL PRIMARY KEY,
    key_print    TEXT NOT NULL,
    joined_at    TIMESTAMP NOT NULL,
    renewed_at   TIMESTAMP NOT NULL,
    good_until   TIMESTAMP NOT NULL
);

-- Keys of hosts that were removed, until the last certificate with them would have ended: what hosts must refuse too.
CREATE TABLE hosts_removed (
    key_print  TEXT NOT NULL PRIMARY KEY,
    host       TEXT NOT NULL,
    removed_at TIMESTAMP NOT NULL,
    good_until TIMESTAMP NOT NULL
);
