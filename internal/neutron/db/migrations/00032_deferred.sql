-- +goose Up

-- The port gets its addresses when its host is known: on a routed network they depend on it.
ALTER TABLE neutron_ports ADD COLUMN ip_deferred BOOLEAN NOT NULL DEFAULT FALSE;
