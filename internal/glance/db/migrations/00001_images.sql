-- +goose Up
CREATE TABLE glance_images (
    id TEXT PRIMARY KEY,
    name TEXT,
    status TEXT NOT NULL,
    visibility TEXT NOT NULL,
    owner TEXT,
    container_format TEXT,
    disk_format TEXT,
    size BIGINT,
    virtual_size BIGINT,
    checksum TEXT,
    hash_algo TEXT,
    hash_value TEXT,
    min_disk BIGINT NOT NULL,
    min_ram BIGINT NOT NULL,
    protected BOOLEAN NOT NULL,
    hidden BOOLEAN NOT NULL,
    properties TEXT NOT NULL,
    tags TEXT NOT NULL,
    data_key TEXT NOT NULL,
    upload_key TEXT NOT NULL,
    upload_lease TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);
CREATE INDEX glance_images_created ON glance_images (created_at, id);
CREATE INDEX glance_images_owner ON glance_images (owner, created_at, id);
CREATE INDEX glance_images_name ON glance_images (name);
CREATE INDEX glance_images_visibility ON glance_images (visibility, created_at, id);
CREATE INDEX glance_images_upload ON glance_images (upload_key) WHERE upload_key <> '';

CREATE TABLE glance_image_properties (
    image_id TEXT NOT NULL REFERENCES glance_images (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (image_id, name)
);
CREATE INDEX glance_image_properties_name ON glance_image_properties (name, value);

CREATE TABLE glance_image_tags (
    image_id TEXT NOT NULL REFERENCES glance_images (id) ON DELETE CASCADE,
    value TEXT NOT NULL,
    PRIMARY KEY (image_id, value)
);
CREATE INDEX glance_image_tags_value ON glance_image_tags (value);

CREATE TABLE glance_image_members (
    image_id TEXT NOT NULL REFERENCES glance_images (id) ON DELETE CASCADE,
    member_id TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (image_id, member_id)
);
CREATE INDEX glance_image_members_member ON glance_image_members (member_id, status);

CREATE TABLE glance_deleted_images (
    id TEXT PRIMARY KEY,
    deleted_at TIMESTAMP NOT NULL
);
