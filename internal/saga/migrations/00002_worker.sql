-- +goose Up
-- The control process that worked on the step; host is the machine the step worked for.
ALTER TABLE saga_events ADD COLUMN worker TEXT NOT NULL DEFAULT '';
