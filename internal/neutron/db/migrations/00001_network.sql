-- +goose Up

CREATE TABLE neutron_networks (
    id                      TEXT PRIMARY KEY,
    project_id              TEXT NOT NULL,
    name                    TEXT NOT NULL,
    description             TEXT NOT NULL,
    tags                    TEXT NOT NULL,
    revision_number         BIGINT NOT NULL,
    created_at              TIMESTAMP NOT NULL,
    updated_at              TIMESTAMP NOT NULL,
    admin_state_up          BOOLEAN NOT NULL,
    status                  TEXT NOT NULL,
    mtu                     BIGINT NOT NULL,
    network_type            TEXT NOT NULL,
    physical_network        TEXT NOT NULL,
    segmentation_id         BIGINT NOT NULL,
    external                BOOLEAN NOT NULL,
    is_default              BOOLEAN NOT NULL,
    port_security_enabled   BOOLEAN NOT NULL,
    dns_domain              TEXT NOT NULL,
    availability_zone_hints TEXT
);
CREATE INDEX neutron_networks_project ON neutron_networks (project_id, id);

-- A segment in use: a flat physical network (id 0), a VLAN of a physical network, a tunnel key.
CREATE TABLE neutron_segments (
    network_type     TEXT NOT NULL,
    physical_network TEXT NOT NULL,
    segmentation_id  BIGINT NOT NULL,
    network_id       TEXT NOT NULL REFERENCES neutron_networks (id) ON DELETE CASCADE,
    PRIMARY KEY (network_type, physical_network, segmentation_id)
);
CREATE INDEX neutron_segments_network ON neutron_segments (network_id);

CREATE TABLE neutron_rbac_policies (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    object_type     TEXT NOT NULL,
    object_id       TEXT NOT NULL,
    action          TEXT NOT NULL,
    target_project  TEXT NOT NULL,
    UNIQUE (object_id, action, target_project)
);

-- first_key and last_key are the subnet's ends as 32 hexadecimal digits, so that overlaps can be found by comparison.
CREATE TABLE neutron_subnets (
    id                    TEXT PRIMARY KEY,
    project_id            TEXT NOT NULL,
    network_id            TEXT NOT NULL REFERENCES neutron_networks (id),
    name                  TEXT NOT NULL,
    description           TEXT NOT NULL,
    tags                  TEXT NOT NULL,
    revision_number       BIGINT NOT NULL,
    created_at            TIMESTAMP NOT NULL,
    updated_at            TIMESTAMP NOT NULL,
    ip_version            BIGINT NOT NULL,
    cidr                  TEXT NOT NULL,
    first_key             TEXT NOT NULL,
    last_key              TEXT NOT NULL,
    gateway_ip            TEXT NOT NULL,
    enable_dhcp           BOOLEAN NOT NULL,
    ipv6_ra_mode          TEXT NOT NULL,
    ipv6_address_mode     TEXT NOT NULL,
    allocation_pools      TEXT,
    dns_nameservers       TEXT,
    host_routes           TEXT,
    service_types         TEXT,
    dns_publish_fixed_ip  BOOLEAN NOT NULL
);
CREATE INDEX neutron_subnets_network ON neutron_subnets (network_id);
CREATE INDEX neutron_subnets_project ON neutron_subnets (project_id, id);

CREATE TABLE neutron_ports (
    id                    TEXT PRIMARY KEY,
    project_id            TEXT NOT NULL,
    network_id            TEXT NOT NULL REFERENCES neutron_networks (id),
    name                  TEXT NOT NULL,
    description           TEXT NOT NULL,
    tags                  TEXT NOT NULL,
    revision_number       BIGINT NOT NULL,
    created_at            TIMESTAMP NOT NULL,
    updated_at            TIMESTAMP NOT NULL,
    admin_state_up        BOOLEAN NOT NULL,
    status                TEXT NOT NULL,
    mac_address           TEXT NOT NULL,
    device_id             TEXT NOT NULL,
    device_owner          TEXT NOT NULL,
    host                  TEXT NOT NULL,
    vnic_type             TEXT NOT NULL,
    profile               TEXT,
    port_security_enabled BOOLEAN NOT NULL,
    allowed_address_pairs TEXT,
    extra_dhcp_opts       TEXT,
    dns_name              TEXT NOT NULL,
    dns_domain            TEXT NOT NULL,
    nova_owned            BOOLEAN NOT NULL,
    nova_index            BIGINT NOT NULL,
    nova_tag              TEXT NOT NULL,
    UNIQUE (network_id, mac_address)
);
CREATE INDEX neutron_ports_project ON neutron_ports (project_id, id);
CREATE INDEX neutron_ports_device ON neutron_ports (device_id);

CREATE TABLE neutron_allocations (
    subnet_id  TEXT NOT NULL REFERENCES neutron_subnets (id),
    ip_address TEXT NOT NULL,
    ip_key     TEXT NOT NULL,
    network_id TEXT NOT NULL,
    port_id    TEXT NOT NULL REFERENCES neutron_ports (id) ON DELETE CASCADE,
    place      BIGINT NOT NULL,
    PRIMARY KEY (subnet_id, ip_address)
);
CREATE INDEX neutron_allocations_port ON neutron_allocations (port_id);
CREATE INDEX neutron_allocations_network ON neutron_allocations (network_id, ip_address);

CREATE TABLE neutron_routers (
    id                      TEXT PRIMARY KEY,
    project_id              TEXT NOT NULL,
    name                    TEXT NOT NULL,
    description             TEXT NOT NULL,
    tags                    TEXT NOT NULL,
    revision_number         BIGINT NOT NULL,
    created_at              TIMESTAMP NOT NULL,
    updated_at              TIMESTAMP NOT NULL,
    admin_state_up          BOOLEAN NOT NULL,
    status                  TEXT NOT NULL,
    gw_port_id              TEXT NOT NULL,
    gw_network_id           TEXT NOT NULL,
    enable_snat             BOOLEAN NOT NULL,
    routes                  TEXT,
    availability_zone_hints TEXT
);
CREATE INDEX neutron_routers_project ON neutron_routers (project_id, id);
CREATE INDEX neutron_routers_gateway ON neutron_routers (gw_network_id);

CREATE TABLE neutron_floatingips (
    id                  TEXT PRIMARY KEY,
    project_id          TEXT NOT NULL,
    description         TEXT NOT NULL,
    tags                TEXT NOT NULL,
    revision_number     BIGINT NOT NULL,
    created_at          TIMESTAMP NOT NULL,
    updated_at          TIMESTAMP NOT NULL,
    status              TEXT NOT NULL,
    floating_network_id TEXT NOT NULL,
    floating_port_id    TEXT NOT NULL,
    floating_ip_address TEXT NOT NULL,
    fixed_port_id       TEXT NOT NULL,
    fixed_ip_address    TEXT NOT NULL,
    router_id           TEXT NOT NULL,
    dns_name            TEXT NOT NULL,
    dns_domain          TEXT NOT NULL
);
CREATE INDEX neutron_floatingips_project ON neutron_floatingips (project_id, id);
CREATE INDEX neutron_floatingips_port ON neutron_floatingips (fixed_port_id);
CREATE INDEX neutron_floatingips_router ON neutron_floatingips (router_id);
CREATE INDEX neutron_floatingips_network ON neutron_floatingips (floating_network_id, floating_ip_address);

CREATE TABLE neutron_security_groups (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    stateful        BOOLEAN NOT NULL
);
CREATE INDEX neutron_security_groups_project ON neutron_security_groups (project_id, id);

CREATE TABLE neutron_default_security_groups (
    project_id TEXT PRIMARY KEY,
    group_id   TEXT NOT NULL REFERENCES neutron_security_groups (id) ON DELETE CASCADE
);

CREATE TABLE neutron_security_group_rules (
    id                TEXT PRIMARY KEY,
    project_id        TEXT NOT NULL,
    description       TEXT NOT NULL,
    tags              TEXT NOT NULL,
    revision_number   BIGINT NOT NULL,
    created_at        TIMESTAMP NOT NULL,
    updated_at        TIMESTAMP NOT NULL,
    security_group_id TEXT NOT NULL REFERENCES neutron_security_groups (id) ON DELETE CASCADE,
    direction         TEXT NOT NULL,
    ethertype         TEXT NOT NULL,
    protocol          TEXT NOT NULL,
    port_range_min    BIGINT,
    port_range_max    BIGINT,
    remote_ip_prefix  TEXT NOT NULL,
    remote_group_id   TEXT NOT NULL
);
CREATE INDEX neutron_security_group_rules_group ON neutron_security_group_rules (security_group_id);
CREATE INDEX neutron_security_group_rules_remote ON neutron_security_group_rules (remote_group_id);
CREATE INDEX neutron_security_group_rules_project ON neutron_security_group_rules (project_id, id);

CREATE TABLE neutron_port_security_groups (
    port_id  TEXT NOT NULL REFERENCES neutron_ports (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES neutron_security_groups (id),
    PRIMARY KEY (port_id, group_id)
);
CREATE INDEX neutron_port_security_groups_group ON neutron_port_security_groups (group_id);

CREATE TABLE neutron_quotas (
    project_id TEXT NOT NULL,
    resource   TEXT NOT NULL,
    quota      BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource)
);

-- What the engine has not been told yet. mark is new with every change, so that a realiser removes only what it has realised.
CREATE TABLE neutron_pending (
    resource_type TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    mark          BIGINT NOT NULL,
    noted_at      TIMESTAMP NOT NULL,
    PRIMARY KEY (resource_type, resource_id)
);
