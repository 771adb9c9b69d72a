-- +goose Up

-- The next host of a port whose server moves there running: until it has arrived, both hosts may have the port.
ALTER TABLE neutron_ports ADD COLUMN migrating_to TEXT NOT NULL DEFAULT '';
