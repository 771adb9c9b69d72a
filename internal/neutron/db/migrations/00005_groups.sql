-- +goose Up

-- addresses is a list of CIDRs.
CREATE TABLE neutron_address_groups (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    addresses       TEXT
);
CREATE INDEX neutron_address_groups_project ON neutron_address_groups (project_id, id);

ALTER TABLE neutron_security_group_rules ADD COLUMN remote_address_group_id TEXT NOT NULL DEFAULT '';
CREATE INDEX neutron_security_group_rules_addresses ON neutron_security_group_rules (remote_address_group_id);

-- The rules that new security groups begin with. remote_group_id PARENT is the new group itself.
CREATE TABLE neutron_default_security_group_rules (
    id                      TEXT PRIMARY KEY,
    project_id              TEXT NOT NULL,
    description             TEXT NOT NULL,
    tags                    TEXT NOT NULL,
    revision_number         BIGINT NOT NULL,
    created_at              TIMESTAMP NOT NULL,
    updated_at              TIMESTAMP NOT NULL,
    direction               TEXT NOT NULL,
    ethertype               TEXT NOT NULL,
    protocol                TEXT NOT NULL,
    port_range_min          BIGINT,
    port_range_max          BIGINT,
    remote_ip_prefix        TEXT NOT NULL,
    remote_group_id         TEXT NOT NULL,
    remote_address_group_id TEXT NOT NULL,
    used_in_default_sg      BOOLEAN NOT NULL,
    used_in_non_default_sg  BOOLEAN NOT NULL
);
INSERT INTO neutron_default_security_group_rules VALUES
    ('6f5a1a30-1f5e-4e7c-9d56-4b6ed0d3c001', '', '', '', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'ingress', 'IPv4', '', NULL, NULL, '', 'PARENT', '', TRUE, FALSE),
    ('6f5a1a30-1f5e-4e7c-9d56-4b6ed0d3c002', '', '', '', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'egress', 'IPv4', '', NULL, NULL, '', '', '', TRUE, TRUE),
    ('6f5a1a30-1f5e-4e7c-9d56-4b6ed0d3c003', '', '', '', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'ingress', 'IPv6', '', NULL, NULL, '', 'PARENT', '', TRUE, FALSE),
    ('6f5a1a30-1f5e-4e7c-9d56-4b6ed0d3c004', '', '', '', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'egress', 'IPv6', '', NULL, NULL, '', '', '', TRUE, TRUE);

-- Whether new security groups are stateful: of a project, or of all that have no word of their own (project_id empty).
CREATE TABLE neutron_default_statefulness (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL UNIQUE,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    stateful        BOOLEAN NOT NULL
);

CREATE TABLE neutron_flavors (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    service_type    TEXT NOT NULL,
    enabled         BOOLEAN NOT NULL
);

CREATE TABLE neutron_service_profiles (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    driver          TEXT NOT NULL,
    metainfo        TEXT NOT NULL,
    enabled         BOOLEAN NOT NULL
);

CREATE TABLE neutron_flavor_profiles (
    flavor_id  TEXT NOT NULL REFERENCES neutron_flavors (id) ON DELETE CASCADE,
    profile_id TEXT NOT NULL REFERENCES neutron_service_profiles (id),
    PRIMARY KEY (flavor_id, profile_id)
);

ALTER TABLE neutron_routers ADD COLUMN flavor_id TEXT NOT NULL DEFAULT '';

-- What an administrator says of an agent; everything else about agents comes from the engine.
CREATE TABLE neutron_agent_descriptions (
    agent_id    TEXT PRIMARY KEY,
    description TEXT NOT NULL
);

CREATE TABLE neutron_auto_allocated_topologies (
    project_id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES neutron_networks (id) ON DELETE CASCADE,
    router_id  TEXT NOT NULL
);
CREATE INDEX neutron_auto_allocated_networks ON neutron_auto_allocated_topologies (network_id);

-- Bindings of a port to a host that is not (yet) its own: inactive ones.
CREATE TABLE neutron_port_bindings (
    port_id   TEXT NOT NULL REFERENCES neutron_ports (id) ON DELETE CASCADE,
    host      TEXT NOT NULL,
    vnic_type TEXT NOT NULL,
    profile   TEXT,
    PRIMARY KEY (port_id, host)
);

ALTER TABLE neutron_ports ADD COLUMN propagate_uplink_status BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE neutron_ports ADD COLUMN numa_affinity_policy TEXT NOT NULL DEFAULT '';
ALTER TABLE neutron_ports ADD COLUMN device_profile TEXT NOT NULL DEFAULT '';
ALTER TABLE neutron_ports ADD COLUMN data_plane_status TEXT NOT NULL DEFAULT '';
ALTER TABLE neutron_ports ADD COLUMN hints TEXT;
ALTER TABLE neutron_ports ADD COLUMN trusted BOOLEAN;
ALTER TABLE neutron_ports ADD COLUMN hardware_offload_type TEXT NOT NULL DEFAULT '';
