-- +goose Up
CREATE TABLE glance_cached_images (
    node TEXT NOT NULL,
    image_id TEXT NOT NULL,
    file_key TEXT NOT NULL DEFAULT '',
    size BIGINT NOT NULL DEFAULT 0,
    hits BIGINT NOT NULL DEFAULT 0,
    last_accessed TIMESTAMP NOT NULL,
    last_modified TIMESTAMP NOT NULL,
    PRIMARY KEY (node, image_id)
);
CREATE INDEX glance_cached_images_image ON glance_cached_images (image_id);
