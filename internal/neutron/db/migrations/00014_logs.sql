-- +goose Up

-- What of security groups' decisions is written to the hosts' logs: of one group, of one port's groups, or of all the project's.
CREATE TABLE neutron_logs (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    enabled         BOOLEAN NOT NULL,
    resource_type   TEXT NOT NULL,
    resource_id     TEXT NOT NULL,
    target_id       TEXT NOT NULL,
    event           TEXT NOT NULL
);
CREATE INDEX neutron_logs_project ON neutron_logs (project_id, id);
