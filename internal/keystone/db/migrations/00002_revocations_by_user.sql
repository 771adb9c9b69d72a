-- +goose Up
CREATE INDEX keystone_revocations_user ON keystone_revocations (user_id);
