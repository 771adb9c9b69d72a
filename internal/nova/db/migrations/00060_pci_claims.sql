-- +goose Up
-- Which devices of a host are a consumer's: a server's, or a migration's for what its server still has on the source. They go with the consumer's allocations.
-- No device has two owners.
CREATE TABLE nova_pci_claims (
    host TEXT NOT NULL,
    address TEXT NOT NULL,
    consumer TEXT NOT NULL,
    alias TEXT NOT NULL,
    PRIMARY KEY (host, address)
);
CREATE INDEX nova_pci_claims_consumer ON nova_pci_claims (consumer);
