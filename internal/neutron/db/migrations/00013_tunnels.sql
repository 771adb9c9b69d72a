-- +goose Up

-- The VLAN by which hosts hand a gre, vxlan or nvgre network from OVN to their tunnel bridge; 0 for other networks.
ALTER TABLE neutron_networks ADD COLUMN tunnel_vlan BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX neutron_networks_tunnel_vlan ON neutron_networks (tunnel_vlan) WHERE tunnel_vlan > 0;
