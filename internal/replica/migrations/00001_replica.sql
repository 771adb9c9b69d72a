-- +goose Up
-- The control processes of the cloud. A row that was not seen for long belongs to a dead one.
CREATE TABLE replica_members (
  name TEXT PRIMARY KEY,
  instance TEXT NOT NULL,
  address TEXT NOT NULL,
  version TEXT NOT NULL,
  started_at TIMESTAMP NOT NULL,
  seen_at TIMESTAMP NOT NULL
);

-- Work that one replica does for all. Who does not renew loses it.
CREATE TABLE replica_leases (
  name TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  until TIMESTAMP NOT NULL
);
