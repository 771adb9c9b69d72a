package nova

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// destination reads where a server shall go: a zone, or an administrator's zone:host:node, or host and hypervisor of 2.74.
func (s *Service) destination(ctx context.Context, in *CreateRequest) (zone string, req db.Requested, err error) {
	zone = in.Zone
	parts := strings.Split(zone, ":")
	switch {
	case len(parts) > 3:
		return "", req, rest.BadRequest("Invalid input received: Unable to parse availability_zone")
	case len(parts) > 1:
		if in.ForceHost != nil {
			if err := in.ForceHost(); err != nil {
				return "", req, err
			}
		}
		zone, req.Host, req.ForceHost = parts[0], parts[1], true
		if len(parts) == 3 {
			req.Node = parts[2]
		}
		if in.Host != "" || in.Node != "" {
			return "", req, rest.BadRequest("One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are mutually exclusive.")
		}
		// Upstream looks neither for the zone nor for the host: where there is no such host the server finds none.
		return zone, req, nil
	default:
		req.Host, req.Node = in.Host, in.Node
	}
	if zone == "" {
		zone = s.Config.DefaultScheduleZone
	}
	if zone == "" && req.Host == "" && req.Node == "" {
		return "", req, nil
	}
	if zone != "" {
		known, err := s.zoneKnown(ctx, s.DB.Read(ctx), zone)
		if err != nil {
			return "", req, err
		}
		if !known {
			return "", req, rest.BadRequest("The requested availability zone is not available")
		}
	}
	if req.Host == "" && req.Node == "" {
		return zone, req, nil
	}
	known, err := db.HasHypervisor(ctx, s.DB.Read(ctx), req.Node, req.Host)
	if err == nil && !known {
		err = rest.BadRequest("Compute host %s could not be found.", cmp.Or(req.Host, req.Node))
	}
	return zone, req, err
}

// zoneKnown tells whether a zone has a host.
func (s *Service) zoneKnown(ctx context.Context, h store.Tx, zone string) (bool, error) {
	all, err := db.ListAggregates(ctx, h)
	if err != nil {
		return false, err
	}
	var zoned []string
	for _, a := range all {
		z := a.Metadata[zoneKey]
		if z == zone && len(a.Hosts) > 0 {
			return true, nil
		}
		if z != "" {
			zoned = append(zoned, a.Hosts...)
		}
	}
	if zone != s.DefaultZone() {
		return false, nil
	}
	return db.HasComputeHostOutside(ctx, h, zoned)
}

// bootGroup finds the server group that the hint "group" names.
func (s *Service) bootGroup(ctx context.Context, c *policy.Caller, hints map[string]any) (*ServerGroup, error) {
	id, _ := hints["group"].(string)
	if id == "" {
		return nil, nil
	}
	if !rest.IsUUID(id) {
		return nil, rest.BadRequest("Server group scheduler hint must be a UUID.")
	}
	g, err := db.ServerGroupRule(ctx, s.DB.Read(ctx), id)
	if store.IsNotFound(err) || err == nil && g.ProjectID != c.ProjectID && !c.IsAdmin() {
		return nil, rest.BadRequest("Instance group %s could not be found.", id)
	}
	return g, err
}

// groupRoom refuses more servers than a user may have in a group.
func (s *Service) groupRoom(ctx context.Context, tx store.Tx, c *policy.Caller, g *ServerGroup, more int) error {
	if g == nil {
		return nil
	}
	limits, err := s.limits(ctx, tx, g.ProjectID, c.UserID)
	if err != nil {
		return err
	}
	most := limits["server_group_members"]
	if most < 0 {
		return nil
	}
	n, err := db.CountGroupMembers(ctx, tx, g.ID, c.UserID)
	if err == nil && n+int64(more) > most {
		err = s.over("server_group_members", most, n, int64(more), "Quota exceeded, too many servers in group")
	}
	return err
}

// hostView is the aggregates as one moment has them.
type hostView struct {
	aggregates []*Aggregate
	fallback   string // zone of hosts in none
}

// zoneOf is the availability zone of a host.
func (v *hostView) zoneOf(host string) string {
	for _, a := range v.aggregates {
		if z := a.Metadata["availability_zone"]; z != "" && slices.Contains(a.Hosts, host) {
			return z
		}
	}
	return v.fallback
}
