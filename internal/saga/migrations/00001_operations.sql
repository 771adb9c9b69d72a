-- +goose Up
-- Live operations. A finished one moves to saga_history in the transaction that ends it, so a foreign key on
-- saga_operations (id) can only ever point to work that somebody will finish.
CREATE TABLE saga_operations (
  seq {{autoid}},
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  caller TEXT NOT NULL,
  state TEXT NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('forward', 'undo')),
  step BIGINT NOT NULL,
  rewind_to BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  cancel BOOLEAN NOT NULL,
  cause TEXT NOT NULL,
  failed BOOLEAN NOT NULL,
  run_after TIMESTAMP NOT NULL,
  step_deadline TIMESTAMP NOT NULL,
  deadline TIMESTAMP NOT NULL,
  lease_owner TEXT NOT NULL,
  lease_until TIMESTAMP NOT NULL,
  created_at TIMESTAMP NOT NULL
);
CREATE INDEX saga_operations_resource ON saga_operations (resource_type, resource_id, seq);
CREATE INDEX saga_operations_run_after ON saga_operations (run_after);

CREATE TABLE saga_history (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  outcome TEXT NOT NULL,
  cause TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  finished_at TIMESTAMP NOT NULL
);
CREATE INDEX saga_history_resource ON saga_history (resource_id, created_at);
CREATE INDEX saga_history_request ON saga_history (request_id);
CREATE INDEX saga_history_finished ON saga_history (finished_at);

CREATE TABLE saga_events (
  id {{autoid}},
  operation_id TEXT NOT NULL,
  at TIMESTAMP NOT NULL,
  step TEXT NOT NULL,
  event TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  host TEXT NOT NULL,
  duration_us BIGINT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX saga_events_operation ON saga_events (operation_id, id);
