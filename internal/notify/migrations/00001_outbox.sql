-- +goose Up
-- Notifications that were decided on and not yet sent, in the order of the changes they tell of.
CREATE TABLE notify_outbox (
  seq {{autoid}},
  message_id TEXT NOT NULL,
  service TEXT NOT NULL,
  event_type TEXT NOT NULL,
  publisher TEXT NOT NULL,
  priority TEXT NOT NULL,
  versioned BOOLEAN NOT NULL,
  payload TEXT NOT NULL,
  context TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL
);
