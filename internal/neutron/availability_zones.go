package neutron

import (
	"context"
	"slices"

	"gostack/internal/neutron/driver"
)

// AvailabilityZones are the zones that networks and routers may ask for: the cloud's default one, in which hosts are that name none, and those
// that hosts name (ovn-cms-options, availability-zones=A:B). Sorted.
func (s *Service) AvailabilityZones(ctx context.Context) ([]string, error) {
	all, err := s.Backend.Known(ctx, "")
	if err != nil {
		return nil, fault(503, "ServiceUnavailable", "The network engine does not answer.").Because(err)
	}
	zones := []string{s.AvailabilityZone}
	for _, c := range all {
		zones = append(zones, c.Zones...)
	}
	slices.Sort(zones)
	return slices.Compact(zones), nil
}

// checkZones fails for hints that are no zones.
func (s *Service) checkZones(ctx context.Context, hints []string) error {
	var known []string
	for _, z := range hints {
		if z == s.AvailabilityZone {
			continue
		}
		if known == nil {
			var err error
			if known, err = s.AvailabilityZones(ctx); err != nil {
				return err
			}
		}
		if !slices.Contains(known, z) {
			return missing("AvailabilityZoneNotFound", "AvailabilityZone %s could not be found.", z)
		}
	}
	return nil
}

// ZonesOf are the zones of a resource with hints.
func (s *Service) ZonesOf(hints []string) []string {
	if len(hints) > 0 {
		return hints
	}
	return []string{s.AvailabilityZone}
}

// gatewayZones are the zones on whose hosts a router's gateways may be. Without hints that is any host.
func (s *Service) gatewayZones(hints []string) []string {
	zones := slices.Clone(hints)
	for i, z := range zones {
		if z == s.AvailabilityZone {
			zones[i] = driver.NoZone
		}
	}
	if slices.Contains(zones, driver.NoZone) { // hosts may name the default zone too
		zones = append(zones, s.AvailabilityZone)
	}
	return zones
}
