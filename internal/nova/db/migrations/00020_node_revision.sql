-- +goose Up
-- Counts the changes of what decisions weigh of a hypervisor: by it they learn which need not be read again.
ALTER TABLE nova_compute_nodes ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
