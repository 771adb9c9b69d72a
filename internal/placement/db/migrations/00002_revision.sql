-- +goose Up
-- Counts every change of a provider, its inventories, traits and aggregates: by it readers learn what they need not read again. The generation, which users see, does not
-- count all of them.
ALTER TABLE placement_providers ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
