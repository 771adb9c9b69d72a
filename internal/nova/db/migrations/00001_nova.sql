-- +goose Up

-- Flavors. extra_specs is a JSON object of strings.
CREATE TABLE nova_flavors (
    seq          {{autoid}},
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL UNIQUE,
    memory_mb    BIGINT NOT NULL,
    vcpus        BIGINT NOT NULL,
    root_gb      BIGINT NOT NULL,
    ephemeral_gb BIGINT NOT NULL DEFAULT 0,
    swap_mb      BIGINT NOT NULL DEFAULT 0,
    rxtx_factor  DOUBLE PRECISION NOT NULL DEFAULT 1,
    is_public    BOOLEAN NOT NULL DEFAULT TRUE,
    disabled     BOOLEAN NOT NULL DEFAULT FALSE,
    description  TEXT,
    extra_specs  TEXT NOT NULL DEFAULT '{}',
    created_at   TIMESTAMP NOT NULL,
    updated_at   TIMESTAMP
);

CREATE TABLE nova_flavor_access (
    flavor_id  TEXT NOT NULL REFERENCES nova_flavors (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    PRIMARY KEY (flavor_id, project_id)
);

CREATE TABLE nova_keypairs (
    seq         {{autoid}},
    user_id     TEXT NOT NULL,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    public_key  TEXT NOT NULL,
    created_at  TIMESTAMP NOT NULL,
    UNIQUE (user_id, name)
);

-- Servers that live. A transitional task_state belongs to a live operation, never to nobody.
CREATE TABLE nova_servers (
    seq                {{autoid}},
    id                 TEXT NOT NULL,
    project_id         TEXT NOT NULL,
    user_id            TEXT NOT NULL,
    name               TEXT NOT NULL,
    hostname           TEXT NOT NULL,
    description        TEXT,
    vm_state           TEXT NOT NULL,
    task_state         TEXT NOT NULL DEFAULT '',
    operation_id       TEXT,
    power_state        BIGINT NOT NULL DEFAULT 0,
    progress           BIGINT NOT NULL DEFAULT 0,
    host               TEXT NOT NULL DEFAULT '',
    node               TEXT NOT NULL DEFAULT '',
    availability_zone  TEXT NOT NULL DEFAULT '',
    pinned_zone        TEXT,
    reservation_id     TEXT NOT NULL,
    launch_index       BIGINT NOT NULL DEFAULT 0,
    flavor_id          TEXT NOT NULL,
    flavor             TEXT NOT NULL,
    vcpus              BIGINT NOT NULL,
    memory_mb          BIGINT NOT NULL,
    root_gb            BIGINT NOT NULL,
    ephemeral_gb       BIGINT NOT NULL DEFAULT 0,
    image_id           TEXT NOT NULL DEFAULT '',
    image              TEXT NOT NULL DEFAULT '{}',
    key_name           TEXT,
    key_data           TEXT NOT NULL DEFAULT '{}',
    user_data          TEXT,
    config_drive       BOOLEAN NOT NULL DEFAULT FALSE,
    disk_config        TEXT NOT NULL DEFAULT 'MANUAL',
    access_ip_v4       TEXT NOT NULL DEFAULT '',
    access_ip_v6       TEXT NOT NULL DEFAULT '',
    metadata           TEXT NOT NULL DEFAULT '{}',
    tags               TEXT NOT NULL DEFAULT '[]',
    locked_by          TEXT NOT NULL DEFAULT '',
    locked_reason      TEXT,
    root_device_name   TEXT NOT NULL DEFAULT '',
    server_group_id    TEXT,
    scheduler_hints    TEXT NOT NULL DEFAULT '{}',
    trusted_certs      TEXT,
    requested          TEXT NOT NULL DEFAULT '{}',
    fault              TEXT,
    created_at         TIMESTAMP NOT NULL,
    updated_at         TIMESTAMP NOT NULL,
    launched_at        TIMESTAMP,
    terminated_at      TIMESTAMP,
    deleted_at         TIMESTAMP,
    UNIQUE (id),
    FOREIGN KEY (operation_id) REFERENCES saga_operations (id),
    CHECK (task_state = '' OR operation_id IS NOT NULL)
);
CREATE INDEX nova_servers_project ON nova_servers (project_id, created_at, id);
CREATE INDEX nova_servers_created ON nova_servers (created_at, id);
CREATE INDEX nova_servers_host ON nova_servers (host);
CREATE INDEX nova_servers_updated ON nova_servers (updated_at);
CREATE INDEX nova_servers_group ON nova_servers (server_group_id);
CREATE INDEX nova_servers_flavor ON nova_servers (flavor_id);
CREATE INDEX nova_servers_operation ON nova_servers (operation_id);

-- Servers that are gone: the same columns, for changes-since and deleted=true.
CREATE TABLE nova_deleted_servers (
    seq                BIGINT NOT NULL,
    id                 TEXT NOT NULL,
    project_id         TEXT NOT NULL,
    user_id            TEXT NOT NULL,
    name               TEXT NOT NULL,
    hostname           TEXT NOT NULL,
    description        TEXT,
    vm_state           TEXT NOT NULL,
    task_state         TEXT NOT NULL DEFAULT '',
    operation_id       TEXT,
    power_state        BIGINT NOT NULL DEFAULT 0,
    progress           BIGINT NOT NULL DEFAULT 0,
    host               TEXT NOT NULL DEFAULT '',
    node               TEXT NOT NULL DEFAULT '',
    availability_zone  TEXT NOT NULL DEFAULT '',
    pinned_zone        TEXT,
    reservation_id     TEXT NOT NULL,
    launch_index       BIGINT NOT NULL DEFAULT 0,
    flavor_id          TEXT NOT NULL,
    flavor             TEXT NOT NULL,
    vcpus              BIGINT NOT NULL,
    memory_mb          BIGINT NOT NULL,
    root_gb            BIGINT NOT NULL,
    ephemeral_gb       BIGINT NOT NULL DEFAULT 0,
    image_id           TEXT NOT NULL DEFAULT '',
    image              TEXT NOT NULL DEFAULT '{}',
    key_name           TEXT,
    key_data           TEXT NOT NULL DEFAULT '{}',
    user_data          TEXT,
    config_drive       BOOLEAN NOT NULL DEFAULT FALSE,
    disk_config        TEXT NOT NULL DEFAULT 'MANUAL',
    access_ip_v4       TEXT NOT NULL DEFAULT '',
    access_ip_v6       TEXT NOT NULL DEFAULT '',
    metadata           TEXT NOT NULL DEFAULT '{}',
    tags               TEXT NOT NULL DEFAULT '[]',
    locked_by          TEXT NOT NULL DEFAULT '',
    locked_reason      TEXT,
    root_device_name   TEXT NOT NULL DEFAULT '',
    server_group_id    TEXT,
    scheduler_hints    TEXT NOT NULL DEFAULT '{}',
    trusted_certs      TEXT,
    requested          TEXT NOT NULL DEFAULT '{}',
    fault              TEXT,
    created_at         TIMESTAMP NOT NULL,
    updated_at         TIMESTAMP NOT NULL,
    launched_at        TIMESTAMP,
    terminated_at      TIMESTAMP,
    deleted_at         TIMESTAMP,
    PRIMARY KEY (id)
);
CREATE INDEX nova_deleted_servers_project ON nova_deleted_servers (project_id, updated_at);
CREATE INDEX nova_deleted_servers_updated ON nova_deleted_servers (updated_at);

-- What users did to servers; the steps of the work are in the operation's timeline.
CREATE TABLE nova_actions (
    seq          {{autoid}},
    server_id    TEXT NOT NULL,
    action       TEXT NOT NULL,
    request_id   TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    project_id   TEXT NOT NULL,
    message      TEXT,
    operation_id TEXT,
    started_at   TIMESTAMP NOT NULL,
    updated_at   TIMESTAMP NOT NULL
);
CREATE INDEX nova_actions_server ON nova_actions (server_id, seq);
CREATE INDEX nova_actions_operation ON nova_actions (operation_id);

CREATE TABLE nova_action_events (
    seq         {{autoid}},
    action_seq  BIGINT NOT NULL REFERENCES nova_actions (seq) ON DELETE CASCADE,
    event       TEXT NOT NULL,
    host        TEXT NOT NULL DEFAULT '',
    result      TEXT,
    details     TEXT,
    traceback   TEXT,
    started_at  TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
);
CREATE INDEX nova_action_events_action ON nova_action_events (action_seq, seq);

-- Processes that serve Nova, and the hosts of nova-compute.
CREATE TABLE nova_services (
    seq             {{autoid}},
    id              TEXT NOT NULL UNIQUE,
    binary_name     TEXT NOT NULL,
    host            TEXT NOT NULL,
    disabled        BOOLEAN NOT NULL DEFAULT FALSE,
    disabled_reason TEXT,
    forced_down     BOOLEAN NOT NULL DEFAULT FALSE,
    last_seen_at    TIMESTAMP,
    created_at      TIMESTAMP NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    UNIQUE (binary_name, host)
);

CREATE TABLE nova_compute_nodes (
    seq        {{autoid}},
    id         TEXT NOT NULL UNIQUE,
    host       TEXT NOT NULL UNIQUE,
    hostname   TEXT NOT NULL,
    info       TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

CREATE TABLE nova_aggregates (
    id         {{autoid}},
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    metadata   TEXT NOT NULL DEFAULT '{}',
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);

CREATE TABLE nova_aggregate_hosts (
    aggregate_id BIGINT NOT NULL REFERENCES nova_aggregates (id) ON DELETE CASCADE,
    host         TEXT NOT NULL,
    PRIMARY KEY (aggregate_id, host)
);

CREATE TABLE nova_server_groups (
    seq        {{autoid}},
    id         TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    policy     TEXT NOT NULL,
    rules      TEXT NOT NULL DEFAULT '{}',
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX nova_server_groups_project ON nova_server_groups (project_id, seq);

-- Limits that differ from the defaults: of a project, of a user in a project (user_id), or of the class "default" (scope_id).
CREATE TABLE nova_quotas (
    kind       TEXT NOT NULL,
    scope_id   TEXT NOT NULL,
    user_id    TEXT NOT NULL DEFAULT '',
    resource   TEXT NOT NULL,
    hard_limit BIGINT NOT NULL,
    PRIMARY KEY (kind, scope_id, user_id, resource)
);

-- Tickets for consoles; only the hash of a token is kept.
CREATE TABLE nova_console_tokens (
    token_hash   TEXT NOT NULL PRIMARY KEY,
    server_id    TEXT NOT NULL,
    console_type TEXT NOT NULL,
    host         TEXT NOT NULL,
    address      TEXT NOT NULL,
    port         BIGINT NOT NULL,
    path         TEXT NOT NULL DEFAULT '',
    expires_at   TIMESTAMP NOT NULL
);
CREATE INDEX nova_console_tokens_server ON nova_console_tokens (server_id);
CREATE INDEX nova_console_tokens_expiry ON nova_console_tokens (expires_at);
