-- +goose Up

CREATE TABLE neutron_qos_policies (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    is_default      BOOLEAN NOT NULL
);
CREATE INDEX neutron_qos_policies_project ON neutron_qos_policies (project_id, id);

-- A rule has the values of its kind: rate and burst of limits, rate of minima, mark of DSCP marking.
CREATE TABLE neutron_qos_rules (
    id        TEXT PRIMARY KEY,
    policy_id TEXT NOT NULL REFERENCES neutron_qos_policies (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL,
    direction TEXT NOT NULL,
    rate      BIGINT NOT NULL,
    burst     BIGINT NOT NULL,
    mark      BIGINT NOT NULL,
    UNIQUE (policy_id, kind, direction)
);

-- Which policy holds for a network's ports, a port, a floating IP, a router's gateway; '' for none.
ALTER TABLE neutron_networks ADD COLUMN qos_policy_id TEXT NOT NULL DEFAULT '';
ALTER TABLE neutron_ports ADD COLUMN qos_policy_id TEXT NOT NULL DEFAULT '';
ALTER TABLE neutron_floatingips ADD COLUMN qos_policy_id TEXT NOT NULL DEFAULT '';
ALTER TABLE neutron_routers ADD COLUMN qos_policy_id TEXT NOT NULL DEFAULT '';
CREATE INDEX neutron_networks_qos ON neutron_networks (qos_policy_id);
CREATE INDEX neutron_ports_qos ON neutron_ports (qos_policy_id);
CREATE INDEX neutron_floatingips_qos ON neutron_floatingips (qos_policy_id);
CREATE INDEX neutron_routers_qos ON neutron_routers (qos_policy_id);
