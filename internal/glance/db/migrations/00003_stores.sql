-- +goose Up
ALTER TABLE glance_images ADD COLUMN locations TEXT NOT NULL DEFAULT '[]';
ALTER TABLE glance_images ADD COLUMN reserved TEXT NOT NULL DEFAULT '{}';
ALTER TABLE glance_images ADD COLUMN staged_key TEXT NOT NULL DEFAULT '';
ALTER TABLE glance_images ADD COLUMN staged_size BIGINT NOT NULL DEFAULT 0;
UPDATE glance_images SET locations = '[{"key":"' || data_key || '"}]' WHERE data_key <> '';

CREATE TABLE glance_tasks (
    id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    owner TEXT NOT NULL,
    image_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    input TEXT NOT NULL,
    result TEXT NOT NULL,
    message TEXT NOT NULL,
    expires_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX glance_tasks_created ON glance_tasks (created_at, id);
CREATE INDEX glance_tasks_image ON glance_tasks (image_id);
CREATE INDEX glance_tasks_expires ON glance_tasks (expires_at) WHERE expires_at IS NOT NULL;
