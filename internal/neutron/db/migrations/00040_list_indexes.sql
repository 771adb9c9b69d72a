-- +goose Up
-- What clients look things up by: names above all, then addresses.
CREATE INDEX neutron_networks_name ON neutron_networks (name);
CREATE INDEX neutron_subnets_name ON neutron_subnets (name);
CREATE INDEX neutron_routers_name ON neutron_routers (name);
CREATE INDEX neutron_security_groups_name ON neutron_security_groups (name);
CREATE INDEX neutron_ports_name ON neutron_ports (name, id);
CREATE INDEX neutron_ports_mac ON neutron_ports (mac_address);
CREATE INDEX neutron_ports_host ON neutron_ports (host);
CREATE INDEX neutron_ports_created ON neutron_ports (created_at, id);
CREATE INDEX neutron_allocations_address ON neutron_allocations (ip_address);
CREATE INDEX neutron_floatingips_address ON neutron_floatingips (floating_ip_address);
CREATE INDEX neutron_rbac_policies_target ON neutron_rbac_policies (target_project, action, object_id);
