-- +goose Up

-- What servers in an unusual state remember: the image they are being made into, the one they are shelved as, the one they are
-- rescued with. A JSON object.
ALTER TABLE nova_servers ADD COLUMN kept TEXT NOT NULL DEFAULT '{}';
ALTER TABLE nova_deleted_servers ADD COLUMN kept TEXT NOT NULL DEFAULT '{}';
