-- +goose Up

-- What traffic of a project's routers belongs to which label, for those who count it.
CREATE TABLE neutron_metering_labels (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    name            TEXT NOT NULL,
    shared          BOOLEAN NOT NULL
);
CREATE INDEX neutron_metering_labels_project ON neutron_metering_labels (project_id, id);

CREATE TABLE neutron_metering_label_rules (
    id                    TEXT PRIMARY KEY,
    project_id            TEXT NOT NULL,
    description           TEXT NOT NULL,
    tags                  TEXT NOT NULL,
    revision_number       BIGINT NOT NULL,
    created_at            TIMESTAMP NOT NULL,
    updated_at            TIMESTAMP NOT NULL,
    metering_label_id     TEXT NOT NULL REFERENCES neutron_metering_labels (id) ON DELETE CASCADE,
    direction             TEXT NOT NULL,
    excluded              BOOLEAN NOT NULL,
    remote_ip_prefix      TEXT NOT NULL,
    source_ip_prefix      TEXT NOT NULL,
    destination_ip_prefix TEXT NOT NULL
);
CREATE INDEX neutron_metering_label_rules_label ON neutron_metering_label_rules (metering_label_id);
