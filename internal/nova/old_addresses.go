package nova

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"gostack/internal/policy"
	"gostack/internal/rest"
)

// defaultPool is the network that floating IPs come from when nobody names one (upstream's default_floating_pool).
const defaultPool = "nova"

// OldFloatingIP returns a floating IP of the caller's.
func (s *Service) OldFloatingIP(ctx context.Context, c *policy.Caller, id string) (*FloatingIP, error) {
	list, err := s.OldNetwork.FloatingIPs(ctx, c, id, "")
	if err != nil {
		return nil, err
	}
	if id == "" || len(list) == 0 {
		return nil, rest.NotFound("Floating IP not found for ID %s", id)
	}
	return &list[0], nil
}

// AllocateFloatingIP takes an address of an external network, named by its name or id.
func (s *Service) AllocateFloatingIP(ctx context.Context, c *policy.Caller, pool string) (*FloatingIP, error) {
	name := pool
	if name == "" {
		name = defaultPool
	}
	pools, err := s.OldNetwork.Pools(ctx, c)
	if err != nil {
		return nil, err
	}
	var found []OldNetwork
	for _, p := range pools {
		if p.Name == name || p.ID == name {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return nil, rest.NotFound("Floating IP pool not found.")
	case 1:
	default:
		return nil, rest.BadRequest("Multiple floating IP pools matches found for name '%s'", name)
	}
	id, err := s.OldNetwork.AllocateFloatingIP(ctx, c, found[0].ID)
	var refusal *rest.Error
	in := ""
	if pool != "" {
		in = " in pool " + pool
	}
	switch {
	case err == nil:
	case errors.As(err, &refusal) && refusal.Type == "OverQuota":
		return nil, rest.Forbidden("IP allocation over quota%s.", in).Because(err)
	case refusal == nil || refusal.Status != http.StatusConflict && refusal.Status != http.StatusBadRequest:
		return nil, err
	case in != "":
		return nil, rest.NotFound("No more floating IPs%s.", in).Because(err)
	default:
		return nil, rest.NotFound("No more floating IPs available.").Because(err)
	}
	return s.OldFloatingIP(ctx, c, id)
}

// ReleaseFloatingIP gives an address back.
func (s *Service) ReleaseFloatingIP(ctx context.Context, c *policy.Caller, id string) error {
	if _, err := s.OldFloatingIP(ctx, c, id); err != nil {
		return err
	}
	return s.OldNetwork.ReleaseFloatingIP(ctx, c, id)
}

// AddFloatingIP leads a floating IP, named by its address, to an address of a server: the one given, or its first of IPv4. A lock does
// not forbid it: it is Neutron's matter alone.
func (s *Service) AddFloatingIP(ctx context.Context, c *policy.Caller, srv *Server, address, fixed string) error {
	ports, err := s.Interfaces(ctx, srv.ID)
	if err != nil {
		return err
	}
	if len(ports) == 0 {
		return rest.BadRequest("Instance network is not ready yet")
	}
	port, any := "", false
	for _, p := range ports {
		for _, ip := range p.FixedIPs {
			any = true
			a, err := netip.ParseAddr(ip.Address)
			if port == "" && (fixed == ip.Address || fixed == "" && err == nil && a.Is4()) {
				port, fixed = p.ID, ip.Address
			}
		}
	}
	switch {
	case !any:
		return rest.BadRequest("No fixed IPs associated to instance")
	case port == "" && fixed != "":
		return rest.BadRequest("Specified fixed address not assigned to instance")
	case port == "":
		return rest.BadRequest("Unable to associate floating IP %s to any fixed IPs for instance %s. Instance has no fixed IPv4 addresses to associate.", address, srv.ID)
	}
	f, err := s.floatingIPAt(ctx, c, address)
	if err != nil {
		return err
	}
	err = s.OldNetwork.LeadFloatingIP(ctx, c, f.ID, port, fixed)
	if status := rest.StatusOf(err); err != nil && status < http.StatusInternalServerError && status != http.StatusForbidden {
		return rest.BadRequest("Unable to associate floating IP %s to fixed IP %s for instance %s. Error: %s", address, fixed, srv.ID, publicText(err)).Because(err)
	}
	return err
}

func (s *Service) floatingIPAt(ctx context.Context, c *policy.Caller, address string) (*FloatingIP, error) {
	list, err := s.OldNetwork.FloatingIPs(ctx, c, "", address)
	if err != nil {
		return nil, err
	}
	switch len(list) {
	case 0:
		return nil, rest.NotFound("floating IP not found")
	case 1:
		return &list[0], nil
	}
	return nil, rest.Conflict("Multiple floating IPs are found for address %s.", address)
}

// RemoveFloatingIP leads a floating IP of a server nowhere.
func (s *Service) RemoveFloatingIP(ctx context.Context, c *policy.Caller, srv *Server, address string) error {
	f, err := s.floatingIPAt(ctx, c, address)
	if err != nil {
		return err
	}
	if f.ServerID != srv.ID {
		return rest.Conflict("Floating IP %s is not associated with instance %s.", address, srv.ID)
	}
	return s.OldNetwork.LeadFloatingIP(ctx, c, f.ID, "", "")
}

// AddFixedIP gives a server one more address on a network that it has a port on.
func (s *Service) AddFixedIP(ctx context.Context, c *policy.Caller, srv *Server, networkID string) error {
	if err := Unlocked(c, srv); err != nil {
		return err
	}
	return as(s.OldNetwork.AddFixedIP(ctx, c, srv.ID, networkID), http.StatusConflict, http.StatusBadRequest)
}

// RemoveFixedIP takes an address from a server.
func (s *Service) RemoveFixedIP(ctx context.Context, c *policy.Caller, srv *Server, address string) error {
	if err := Unlocked(c, srv); err != nil {
		return err
	}
	found, err := s.OldNetwork.RemoveFixedIP(ctx, c, srv.ID, address)
	if err == nil && !found {
		return rest.BadRequest("Instance %s doesn't have fixed IP '%s'.", srv.ID, address)
	}
	return err
}
