-- +goose Up

-- Ports of a floating IP that lead to ports of addresses inside. First and last of a range are equal for a single port.
CREATE TABLE neutron_port_forwardings (
    id               TEXT PRIMARY KEY,
    floatingip_id    TEXT NOT NULL REFERENCES neutron_floatingips (id) ON DELETE CASCADE,
    description      TEXT NOT NULL,
    protocol         TEXT NOT NULL,
    external_first   BIGINT NOT NULL,
    external_last    BIGINT NOT NULL,
    internal_port_id TEXT NOT NULL,
    internal_ip      TEXT NOT NULL,
    internal_first   BIGINT NOT NULL,
    internal_last    BIGINT NOT NULL
);
CREATE INDEX neutron_port_forwardings_floatingip ON neutron_port_forwardings (floatingip_id);
CREATE INDEX neutron_port_forwardings_port ON neutron_port_forwardings (internal_port_id);
