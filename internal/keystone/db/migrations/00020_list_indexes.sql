-- +goose Up
-- Clients look users, projects and groups up by name in all domains when they are told no domain.
CREATE INDEX keystone_users_name ON keystone_users (name);
CREATE INDEX keystone_projects_name ON keystone_projects (name);
CREATE INDEX keystone_groups_name ON keystone_groups (name);
