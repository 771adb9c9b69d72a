-- +goose Up
-- What lists out of many images are sorted and narrowed by. Most images are active: those that are not are few, and looked for.
CREATE INDEX glance_images_sort_name ON glance_images ((COALESCE(name, '')), created_at, id);
CREATE INDEX glance_images_status ON glance_images (status, created_at, id) WHERE status <> 'active';
