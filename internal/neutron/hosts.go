package neutron

import "context"

// ForgetHost removes what the network engine knows of a host that is gone for good. One it does not know is no error.
func (s *Service) ForgetHost(ctx context.Context, host string) error {
	all, err := s.Backend.Known(ctx, "")
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Host == host {
			if err := s.forgetChassis(ctx, c.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetChassis removes a chassis, and what operators chose it for.
func (s *Service) forgetChassis(ctx context.Context, name string) error {
	if err := s.Backend.RemoveChassis(ctx, name); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		var routers []string
		err := u.tx.NewRaw("DELETE FROM neutron_router_chassis WHERE chassis = ? RETURNING router_id", name).Scan(ctx, &routers)
		u.changed(kindRouter, routers...)
		return err
	})
}
