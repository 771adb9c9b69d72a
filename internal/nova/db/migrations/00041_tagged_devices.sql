-- +goose Up
-- Where a server's guest finds its tagged devices, as its host has said.
ALTER TABLE nova_servers ADD COLUMN tagged_devices TEXT;
ALTER TABLE nova_deleted_servers ADD COLUMN tagged_devices TEXT;
