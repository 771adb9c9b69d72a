-- +goose Up

-- The segments of networks, as the API shows them; neutron_segments says which ids are taken. A network's first segment has its id.
CREATE TABLE neutron_network_segments (
    id               TEXT PRIMARY KEY,
    project_id       TEXT NOT NULL,
    name             TEXT NOT NULL,
    description      TEXT NOT NULL,
    tags             TEXT NOT NULL,
    revision_number  BIGINT NOT NULL,
    created_at       TIMESTAMP NOT NULL,
    updated_at       TIMESTAMP NOT NULL,
    network_id       TEXT NOT NULL REFERENCES neutron_networks (id) ON DELETE CASCADE,
    network_type     TEXT NOT NULL,
    physical_network TEXT NOT NULL,
    segmentation_id  BIGINT NOT NULL,
    position         BIGINT NOT NULL
);
CREATE INDEX neutron_network_segments_network ON neutron_network_segments (network_id, position);
INSERT INTO neutron_network_segments
    SELECT id, '', '', '', '', 0, created_at, created_at, id, network_type, physical_network, segmentation_id, 0 FROM neutron_networks;

-- A network with more than one segment lists them here too, so that it can be shown and realised without asking for them.
ALTER TABLE neutron_networks ADD COLUMN segments TEXT;
ALTER TABLE neutron_networks ADD COLUMN vlan_transparent BOOLEAN;
ALTER TABLE neutron_subnets ADD COLUMN segment_id TEXT NOT NULL DEFAULT '';
CREATE INDEX neutron_subnets_segment ON neutron_subnets (segment_id);
