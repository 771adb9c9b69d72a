-- +goose Up
-- Where on a host the processors and the memory of a consumer are: of a server, or of a migration for what its server still has on the source.
-- It goes with the consumer's allocations.
CREATE TABLE nova_numa_claims (
    consumer TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    topology TEXT NOT NULL
);
CREATE INDEX nova_numa_claims_host ON nova_numa_claims (host);
