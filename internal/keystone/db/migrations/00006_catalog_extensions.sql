-- +goose Up

CREATE TABLE keystone_policies (
    id    TEXT PRIMARY KEY,
    type  TEXT NOT NULL,
    blob  TEXT NOT NULL,
    extra TEXT NOT NULL
);

-- The policy of an endpoint, or of a service, in one region or (region_id '') in all. What does not apply is ''.
CREATE TABLE keystone_policy_associations (
    endpoint_id TEXT NOT NULL,
    service_id  TEXT NOT NULL,
    region_id   TEXT NOT NULL,
    policy_id   TEXT NOT NULL REFERENCES keystone_policies (id) ON DELETE CASCADE,
    PRIMARY KEY (endpoint_id, service_id, region_id)
);
CREATE INDEX keystone_policy_associations_policy ON keystone_policy_associations (policy_id);

CREATE TABLE keystone_project_endpoints (
    project_id  TEXT NOT NULL REFERENCES keystone_projects (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL REFERENCES keystone_endpoints (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_id)
);
CREATE INDEX keystone_project_endpoints_endpoint ON keystone_project_endpoints (endpoint_id);

-- filters is JSON: of service_id, region_id and interface.
CREATE TABLE keystone_endpoint_groups (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT,
    filters     TEXT NOT NULL
);

CREATE TABLE keystone_project_endpoint_groups (
    project_id        TEXT NOT NULL REFERENCES keystone_projects (id) ON DELETE CASCADE,
    endpoint_group_id TEXT NOT NULL REFERENCES keystone_endpoint_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE INDEX keystone_project_endpoint_groups_group ON keystone_project_endpoint_groups (endpoint_group_id);

-- One option of a domain's configuration; value is JSON.
CREATE TABLE keystone_domain_options (
    domain_id    TEXT NOT NULL REFERENCES keystone_projects (id) ON DELETE CASCADE,
    option_group TEXT NOT NULL,
    option_name  TEXT NOT NULL,
    value        TEXT NOT NULL,
    PRIMARY KEY (domain_id, option_group, option_name)
);
