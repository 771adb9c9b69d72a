package neutron

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// ownerSubPort is the device owner of a trunk's subports.
const ownerSubPort = "trunk:subport"

const (
	segmentVLAN    = "vlan"
	segmentInherit = "inherit"
)

// TrunkNotFound is a 404.
func TrunkNotFound(id string) error {
	return missing("TrunkNotFound", "Trunk %s could not be found.", id)
}

// Trunks lists a caller's trunks.
func (s *Service) Trunks(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.Trunk, error) {
	if !seesAll(c) {
		q = q.And(db.Where("t.project_id = ?", c.ProjectID))
	}
	return db.Trunks(ctx, s.DB.Read(ctx), q)
}

// CreateTrunk makes a port the parent of others (v has sub_ports).
func (s *Service) CreateTrunk(ctx context.Context, c *policy.Caller, v attr.Values) (*db.Trunk, error) {
	t := &db.Trunk{Name: v.String("name"), AdminStateUp: v.Bool("admin_state_up"), PortID: v.String("port_id")}
	t.SetTags(v.Strings("tags"))
	return t, s.write(ctx, func(ctx context.Context, u *unit) error {
		t.ID, t.Revision, t.SubPorts = s.newID(), 0, nil
		project := v.String("project_id")
		if err := u.checkQuota(ctx, project, quotaTrunk, 1); err != nil {
			return err
		}
		parent, err := u.trunkPort(ctx, c, t.PortID)
		if err != nil {
			return err
		}
		switch {
		case parent.TrunkParent != "":
			return conflict("TrunkPortInUse", "Port %s is in use by another trunk.", parent.ID)
		case parent.TrunkID != "":
			return conflict("ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", parent.ID)
		}
		t.PortStatus = statusDown
		if parent.Status == statusActive {
			t.PortStatus = statusActive
		}
		if err := u.create(ctx, t, project, v.String("description")); err != nil {
			return err
		}
		return u.addSubPorts(ctx, c, t, parent, v.List("sub_ports"))
	})
}

// trunkPort returns a port that the caller may use in a trunk.
func (u *unit) trunkPort(ctx context.Context, c *policy.Caller, id string) (*db.Port, error) {
	p, err := u.port(ctx, id)
	if err == nil && !seesAll(c) && p.ProjectID != c.ProjectID && p.NetworkProject != c.ProjectID {
		err = PortNotFound(id)
	}
	return p, err
}

// addSubPorts plugs ports into a trunk: they are where its parent is.
func (u *unit) addSubPorts(ctx context.Context, c *policy.Caller, t *db.Trunk, parent *db.Port, list []attr.Values) error {
	for _, x := range list {
		if x.String("segmentation_type") != segmentInherit && (!x.Has("segmentation_type") || !x.Has("segmentation_id")) {
			return invalidInput("Invalid subport details '%s': missing segmentation information. Must specify both segmentation_id and segmentation_type",
				fmt.Sprintf("{'port_id': '%s'}", x.String("port_id")))
		}
	}
	for _, x := range list {
		sub, p, err := u.subPort(ctx, c, t, parent, x)
		if err != nil {
			return err
		}
		taken, err := u.tx.NewSelect().Model((*db.SubPort)(nil)).
			Where("t.trunk_id = ? AND t.segmentation_type = ? AND t.segmentation_id = ?", t.ID, sub.SegmentationType, sub.SegmentationID).Exists(ctx)
		if err != nil {
			return err
		}
		if taken {
			return conflict("DuplicateSubPort", "segmentation_type %s and segmentation_id %d already in use on trunk %s.", sub.SegmentationType, sub.SegmentationID, t.ID)
		}
		if err := db.Insert(ctx, u.tx, &sub); err != nil {
			return err
		}
		t.SubPorts = append(t.SubPorts, sub)
		p.DeviceOwner, p.Host, p.MigratingTo, p.Status = ownerSubPort, parent.Host, parent.MigratingTo, statusDown
		u.changed(kindPort, p.ID)
		if err := u.update(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// subPort checks one of sub_ports (upstream's rules.SubPortsValidator).
func (u *unit) subPort(ctx context.Context, c *policy.Caller, t *db.Trunk, parent *db.Port, x attr.Values) (db.SubPort, *db.Port, error) {
	sub := db.SubPort{PortID: x.String("port_id"), TrunkID: t.ID, SegmentationType: x.String("segmentation_type"), SegmentationID: x.Int("segmentation_id")}
	if sub.PortID == t.PortID {
		return sub, nil, conflict("ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", sub.PortID)
	}
	p, err := u.trunkPort(ctx, c, sub.PortID)
	if err != nil {
		return sub, nil, err
	}
	if p.NetworkMTU > parent.NetworkMTU {
		return sub, nil, conflict("SubPortMtuGreaterThanTrunkPortMtu", "MTU %d of subport %s cannot be greater than MTU %d of trunk %s.",
			p.NetworkMTU, p.ID, parent.NetworkMTU, t.PortID)
	}
	if sub.SegmentationType == segmentInherit {
		n, err := u.network(ctx, p.NetworkID, t.ProjectID)
		if err != nil {
			return sub, nil, err
		}
		if n.NetworkType != typeVLAN {
			return sub, nil, invalidInput("Cannot accept segmentation type %s", n.NetworkType)
		}
		sub.SegmentationType, sub.SegmentationID = segmentVLAN, n.SegmentationID
	}
	switch {
	case sub.SegmentationType != segmentVLAN:
		return sub, nil, invalidInput("Unknown segmentation_type '%s'", sub.SegmentationType)
	case sub.SegmentationID < 1 || sub.SegmentationID > 4094:
		return sub, nil, invalidInput("Segmentation ID '%d' is not in range", sub.SegmentationID)
	case p.TrunkParent != "":
		return sub, nil, conflict("TrunkPortInUse", "Port %s is in use by another trunk.", p.ID)
	case p.TrunkID != "":
		return sub, nil, conflict("ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", p.ID)
	case p.DeviceID != "":
		return sub, nil, conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.",
			p.ID, p.NetworkID, p.DeviceID)
	}
	return sub, p, nil
}

func (u *unit) trunk(ctx context.Context, id string) (*db.Trunk, error) {
	rows, err := db.Trunks(ctx, u.tx, db.ByID(id, ""))
	if err == nil && len(rows) == 0 {
		err = TrunkNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// changeTrunk runs change on a trunk and stores it. Only one that is administratively up may change its subports or go.
func (s *Service) changeTrunk(ctx context.Context, id string, managed bool, change func(ctx context.Context, u *unit, t *db.Trunk) error) (*db.Trunk, error) {
	var t *db.Trunk
	return t, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if t, err = u.trunk(ctx, id); err != nil {
			return err
		}
		if managed && !t.AdminStateUp {
			return conflict("TrunkDisabled", "Trunk %s is currently disabled.", id)
		}
		if err := change(ctx, u, t); err != nil {
			return err
		}
		return u.update(ctx, t)
	})
}

// UpdateTrunk changes what v names.
func (s *Service) UpdateTrunk(ctx context.Context, id string, v attr.Values) (*db.Trunk, error) {
	return s.changeTrunk(ctx, id, false, func(_ context.Context, _ *unit, t *db.Trunk) error {
		setText(v, "name", &t.Name)
		setText(v, "description", &t.Description)
		setBool(v, "admin_state_up", &t.AdminStateUp)
		return nil
	})
}

// AddSubPorts plugs ports into a trunk.
func (s *Service) AddSubPorts(ctx context.Context, c *policy.Caller, id string, list []attr.Values) (*db.Trunk, error) {
	return s.changeTrunk(ctx, id, true, func(ctx context.Context, u *unit, t *db.Trunk) error {
		parent, err := u.port(ctx, t.PortID)
		if err != nil {
			return err
		}
		return u.addSubPorts(ctx, c, t, parent, list)
	})
}

// RemoveSubPorts unplugs ports from a trunk.
func (s *Service) RemoveSubPorts(ctx context.Context, id string, list []attr.Values) (*db.Trunk, error) {
	return s.changeTrunk(ctx, id, true, func(ctx context.Context, u *unit, t *db.Trunk) error {
		have := map[string]db.SubPort{}
		for _, sub := range t.SubPorts {
			have[sub.PortID] = sub
		}
		gone := map[string]bool{}
		for _, x := range list {
			port := x.String("port_id")
			if _, ok := have[port]; !ok || gone[port] {
				return missing("SubPortNotFound", "SubPort on trunk %s with parent port %s could not be found.", id, t.PortID)
			}
			gone[port] = true
			if err := u.unplug(ctx, port); err != nil {
				return err
			}
		}
		rest := t.SubPorts[:0:0]
		for _, sub := range t.SubPorts {
			if !gone[sub.PortID] {
				rest = append(rest, sub)
			}
		}
		t.SubPorts = rest
		return nil
	})
}

// unplug makes a subport an ordinary port again.
func (u *unit) unplug(ctx context.Context, id string) error {
	if _, err := u.tx.NewDelete().Model((*db.SubPort)(nil)).Where("port_id = ?", id).Exec(ctx); err != nil {
		return err
	}
	p, err := u.port(ctx, id)
	if err != nil {
		return err
	}
	p.DeviceOwner, p.Host, p.MigratingTo, p.Status = "", "", "", statusDown
	u.changed(kindPort, id)
	return u.update(ctx, p)
}

// DeleteTrunk removes a trunk; its subports are ordinary ports again.
func (s *Service) DeleteTrunk(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		t, err := u.trunk(ctx, id)
		if err != nil {
			return err
		}
		if !t.AdminStateUp {
			return conflict("TrunkDisabled", "Trunk %s is currently disabled.", id)
		}
		for _, sub := range t.SubPorts {
			if err := u.unplug(ctx, sub.PortID); err != nil {
				return err
			}
		}
		return db.Delete(ctx, u.tx, t)
	})
}

// followParent puts the subports of a trunk's parent where that is.
func (u *unit) followParent(ctx context.Context, parent *db.Port) error {
	rows, err := db.Find[db.Port](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.id IN (SELECT s.port_id FROM neutron_subports s JOIN neutron_trunks k ON k.id = s.trunk_id WHERE k.port_id = ?)", parent.ID)
	})
	if err != nil {
		return err
	}
	for _, p := range rows {
		if p.Host != parent.Host && p.Host != parent.MigratingTo && parent.Host != p.MigratingTo {
			p.Status = statusDown
		}
		p.Host, p.MigratingTo = parent.Host, parent.MigratingTo
		u.changed(kindPort, p.ID)
		if err := u.update(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// notInTrunk fails for a port that a trunk needs.
func (u *unit) notInTrunk(ctx context.Context, id string) error {
	var rows []struct{ ID, Role string }
	err := u.tx.NewRaw(`SELECT trunk_id AS id, 'subport' AS role FROM neutron_subports WHERE port_id = ?0
UNION ALL SELECT id, 'parent' FROM neutron_trunks WHERE port_id = ?0`, id).Scan(ctx, &rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	if rows[0].Role == "subport" {
		return conflict("PortInUseAsSubPort", "Port %s is currently a subport for trunk %s.", id, rows[0].ID)
	}
	return conflict("PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", id, rows[0].ID)
}

// trunkParents tells which ports are parents of trunks.
func (u *unit) trunkParents(ctx context.Context, ports []*db.Port) (map[string]bool, error) {
	ids := make([]string, len(ports))
	for i, p := range ports {
		ids[i] = p.ID
	}
	parents := map[string]bool{}
	if len(ids) == 0 {
		return parents, nil
	}
	rows, err := db.Find[db.Trunk](ctx, u.tx, func(q *bun.SelectQuery) { q.Column("port_id").Where("t.port_id IN (?)", bun.List(ids)) })
	for _, t := range rows {
		parents[t.PortID] = true
	}
	return parents, err
}
