-- +goose Up

-- On which hosts operators put routers' gateways. A router without rows is the engine's to place; a priority below 0 keeps it away from a host.
CREATE TABLE neutron_router_chassis (
    router_id TEXT NOT NULL REFERENCES neutron_routers (id) ON DELETE CASCADE,
    chassis   TEXT NOT NULL,
    priority  BIGINT NOT NULL,
    PRIMARY KEY (router_id, chassis)
);
CREATE UNIQUE INDEX neutron_router_chassis_priority ON neutron_router_chassis (router_id, priority) WHERE priority >= 0;
CREATE INDEX neutron_router_chassis_chassis ON neutron_router_chassis (chassis);
