package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/store"
)

// Binding is a port on a host (extension binding-extended): the active one, where its traffic goes, or one that waits.
type Binding struct {
	Host       string         `json:"host"`
	VIFType    string         `json:"vif_type"`
	VNICType   string         `json:"vnic_type"`
	Status     string         `json:"status"`
	Profile    map[string]any `json:"profile"`
	VIFDetails map[string]any `json:"vif_details"`
}

// VIFDetails tell the hypervisor how a port of OVN is plugged.
func VIFDetails() map[string]any {
	return map[string]any{
		"port_filter": true, "connectivity": "l2", "bridge_name": "br-int", "datapath_type": "system", "ovs_hybrid_plug": false,
		"bound_drivers": map[string]string{"0": "ovn"},
	}
}

func bindingOf(host, vnic string, profile map[string]any, active bool) Binding {
	if profile == nil {
		profile = map[string]any{}
	}
	return Binding{Host: host, VIFType: "ovs", VNICType: vnic, Status: firstOf(active, "ACTIVE", "INACTIVE"), Profile: profile, VIFDetails: VIFDetails()}
}

// PortBindings lists the bindings of a port, the active one first.
func (s *Service) PortBindings(ctx context.Context, port string) ([]Binding, error) {
	p, err := db.Get[db.Port](ctx, s.DB.Read(ctx), port)
	if err != nil {
		return nil, or(err, PortNotFound(port))
	}
	rows, err := db.Find[db.PortBinding](ctx, s.DB.Read(ctx), func(q *bun.SelectQuery) { q.Where("t.port_id = ?", port).OrderExpr("t.host") })
	out := []Binding{}
	if p.Host != "" {
		out = append(out, bindingOf(p.Host, p.VNICType, p.Profile, true))
	}
	for _, r := range rows {
		out = append(out, bindingOf(r.Host, r.VNICType, r.Profile, false))
	}
	return out, err
}

// CreatePortBinding binds a port to a second host, inactive. Only a port of a server can have one.
func (s *Service) CreatePortBinding(ctx context.Context, port string, v attr.Values) (Binding, error) {
	row := &db.PortBinding{PortID: port, Host: v.String("host"), VNICType: v.String("vnic_type")}
	row.Profile, _ = v["profile"].(map[string]any)
	err := s.write(ctx, func(ctx context.Context, u *unit) error {
		p, err := u.port(ctx, port)
		if err != nil {
			return err
		}
		if len(p.DeviceOwner) < len(ownerComputePrefix) || p.DeviceOwner[:len(ownerComputePrefix)] != ownerComputePrefix {
			return bad("PortBindingBadRequest", "Bad port request: Cannot create a binding for port %s: its device owner is not compute.", port)
		}
		has, err := u.tx.NewSelect().Model((*db.PortBinding)(nil)).Where("t.port_id = ? AND t.host = ?", port, row.Host).Exists(ctx)
		if err != nil {
			return err
		}
		if has || p.Host == row.Host {
			return conflict("PortBindingAlreadyExists", "Binding for port %s on host %s already exists.", port, row.Host)
		}
		if row.VNICType == "" {
			row.VNICType = p.VNICType
		}
		return db.Insert(ctx, u.tx, row)
	})
	return bindingOf(row.Host, row.VNICType, row.Profile, false), err
}

func portBindingNotFound(port, host string) error {
	return missing("PortBindingNotFound", "Binding for port %s for host %s could not be found.", port, host)
}

// DeletePortBinding removes an inactive binding.
func (s *Service) DeletePortBinding(ctx context.Context, port, host string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		err := db.Delete(ctx, u.tx, &db.PortBinding{PortID: port, Host: host})
		return or(err, portBindingNotFound(port, host))
	})
}

// ActivatePortBinding lets a port's traffic go to another host; the binding that was active waits there from now on.
func (s *Service) ActivatePortBinding(ctx context.Context, port, host string) (Binding, error) {
	var answer Binding
	return answer, s.write(ctx, func(ctx context.Context, u *unit) error {
		p, err := u.port(ctx, port)
		if err != nil {
			return err
		}
		if p.Host == host {
			return conflict("PortBindingAlreadyActive", "Binding for port %s on host %s is already active.", port, host)
		}
		row := new(db.PortBinding)
		err = u.tx.NewSelect().Model(row).Where("t.port_id = ? AND t.host = ?", port, host).Scan(ctx)
		if store.IsNotFound(err) {
			return portBindingNotFound(port, host)
		}
		if err != nil {
			return err
		}
		if err := db.Delete(ctx, u.tx, row); err != nil {
			return err
		}
		if p.Host != "" {
			if err := db.Insert(ctx, u.tx, &db.PortBinding{PortID: port, Host: p.Host, VNICType: p.VNICType, Profile: p.Profile}); err != nil {
				return err
			}
		}
		p.Host, p.MigratingTo, p.VNICType, p.Profile, p.Status = host, "", row.VNICType, row.Profile, statusDown
		if err := u.arrive(ctx, p, host); err != nil {
			return err
		}
		if err := u.followParent(ctx, p); err != nil {
			return err
		}
		u.changed(kindPort, port)
		answer = bindingOf(host, p.VNICType, p.Profile, true)
		return u.update(ctx, p)
	})
}
