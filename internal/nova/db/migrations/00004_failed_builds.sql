-- +goose Up

-- Builds that failed on a host since the last one that did not: the scheduler keeps away from hosts that fail.
ALTER TABLE nova_compute_nodes ADD COLUMN failed_builds BIGINT NOT NULL DEFAULT 0;
