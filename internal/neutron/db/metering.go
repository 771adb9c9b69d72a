package db

import "github.com/uptrace/bun"

// MeteringLabel is a row of neutron_metering_labels.
type MeteringLabel struct {
	bun.BaseModel `bun:"neutron_metering_labels,alias:t"`
	Standard

	Name   string `bun:"name"`
	Shared bool   `bun:"shared"`
}

// MeteringLabelRule is a row of neutron_metering_label_rules. Prefixes that are not given are empty.
type MeteringLabelRule struct {
	bun.BaseModel `bun:"neutron_metering_label_rules,alias:t"`
	Standard

	LabelID             string `bun:"metering_label_id"`
	Direction           string `bun:"direction"`
	Excluded            bool   `bun:"excluded"`
	RemoteIPPrefix      string `bun:"remote_ip_prefix"`
	SourceIPPrefix      string `bun:"source_ip_prefix"`
	DestinationIPPrefix string `bun:"destination_ip_prefix"`
}
