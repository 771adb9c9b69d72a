-- +goose Up

-- How a router with several gateways chooses among their default routes.
ALTER TABLE neutron_routers ADD COLUMN default_route_ecmp BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE neutron_routers ADD COLUMN default_route_bfd BOOLEAN NOT NULL DEFAULT FALSE;
