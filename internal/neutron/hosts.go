package neutron

import "context"

// ForgetHost removes what the network engine knows of a host that is gone for good. One it does not know is no error.
func (s *Service) ForgetHost(ctx context.Context, host string) error {
	all, err := s.Backend.Chassis(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Host == host {
			if err := s.Backend.RemoveChassis(ctx, c.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
