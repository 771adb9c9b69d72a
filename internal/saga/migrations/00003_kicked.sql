-- +goose Up
-- A kick that finds the operation in somebody's hands is noted here: the worker must not lay it to sleep.
ALTER TABLE saga_operations ADD COLUMN kicked BOOLEAN NOT NULL DEFAULT FALSE;
