-- +goose Up

-- A trunk carries subports inside the VLANs of its parent port. Its status is its parent's.
CREATE TABLE neutron_trunks (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    admin_state_up  BOOLEAN NOT NULL,
    port_id         TEXT NOT NULL UNIQUE REFERENCES neutron_ports (id)
);
CREATE INDEX neutron_trunks_project ON neutron_trunks (project_id, id);

CREATE TABLE neutron_subports (
    port_id           TEXT PRIMARY KEY REFERENCES neutron_ports (id),
    trunk_id          TEXT NOT NULL REFERENCES neutron_trunks (id) ON DELETE CASCADE,
    segmentation_type TEXT NOT NULL,
    segmentation_id   BIGINT NOT NULL,
    UNIQUE (trunk_id, segmentation_type, segmentation_id)
);
