-- +goose Up

-- The block devices that a server was asked for with, in the order of the request. A server without rows has what its image and its flavor give.
CREATE TABLE nova_block_devices (
    seq                   {{autoid}},
    server_id             TEXT NOT NULL,
    position              BIGINT NOT NULL,
    source_type           TEXT NOT NULL,
    destination_type      TEXT NOT NULL,
    device_uuid           TEXT NOT NULL DEFAULT '',
    volume_size           BIGINT,
    volume_type           TEXT NOT NULL DEFAULT '',
    guest_format          TEXT NOT NULL DEFAULT '',
    device_type           TEXT NOT NULL DEFAULT '',
    disk_bus              TEXT NOT NULL DEFAULT '',
    device_name           TEXT NOT NULL DEFAULT '',
    boot_index            BIGINT,
    delete_on_termination BOOLEAN NOT NULL DEFAULT FALSE,
    tag                   TEXT NOT NULL DEFAULT '',
    flavor_id             TEXT NOT NULL DEFAULT '',
    UNIQUE (server_id, position)
);
