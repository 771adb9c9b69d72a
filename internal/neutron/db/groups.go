package db

import "github.com/uptrace/bun"

// AddressGroup is a row of neutron_address_groups.
type AddressGroup struct {
	bun.BaseModel `bun:"neutron_address_groups,alias:t"`
	Standard

	Name      string   `bun:"name"`
	Addresses []string `bun:"addresses"`

	Shared bool `bun:"shared,scanonly"`
}

// DefaultRule is a row of neutron_default_security_group_rules.
type DefaultRule struct {
	bun.BaseModel `bun:"neutron_default_security_group_rules,alias:t"`
	Standard

	Direction            string `bun:"direction"`
	Ethertype            string `bun:"ethertype"`
	Protocol             string `bun:"protocol"`
	PortRangeMin         *int64 `bun:"port_range_min"`
	PortRangeMax         *int64 `bun:"port_range_max"`
	RemoteIPPrefix       string `bun:"remote_ip_prefix"`
	RemoteGroupID        string `bun:"remote_group_id"` // or ParentGroup
	RemoteAddressGroupID string `bun:"remote_address_group_id"`
	UsedInDefault        bool   `bun:"used_in_default_sg"`
	UsedInOthers         bool   `bun:"used_in_non_default_sg"`
}

// ParentGroup stands for the group that a default rule is copied to.
const ParentGroup = "PARENT"

// DefaultStatefulness is a row of neutron_default_statefulness.
type DefaultStatefulness struct {
	bun.BaseModel `bun:"neutron_default_statefulness,alias:t"`
	Standard

	Stateful bool `bun:"stateful"`
}
