-- +goose Up

-- Whose port it is, by the word of the service that made it so. device_id and device_owner are what users write.
ALTER TABLE neutron_ports ADD COLUMN nova_server TEXT NOT NULL DEFAULT '';
ALTER TABLE neutron_ports ADD COLUMN router_id TEXT NOT NULL DEFAULT '';
UPDATE neutron_ports SET nova_server = device_id WHERE nova_index >= 0;
UPDATE neutron_ports SET router_id = device_id WHERE device_owner IN ('network:router_interface', 'network:router_gateway');
CREATE INDEX neutron_ports_server ON neutron_ports (nova_server);
CREATE INDEX neutron_ports_router ON neutron_ports (router_id);
