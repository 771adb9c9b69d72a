package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/nova/hardware"
)

// The devices of hosts that servers have for themselves: a flavor asks for them by the names of Config.PCIAliases, and what a server has is claimed
// with its allocations and goes with them (see ClaimOn and WithNUMA).

// pciOf are the devices that a flavor and an image ask for.
func (s *Service) pciOf(f FlavorCopy, imageID string, image ImageCopy) ([]hardware.PCIRequest, error) {
	return WishOf(f, imageID, image).PCI(s.Config.PCIAliases)
}

// pciFits refuses devices that the cloud has no name for.
func (s *Service) pciFits(f FlavorCopy, imageID string, image ImageCopy) error {
	_, err := s.pciOf(f, imageID, image)
	return refuseConflict(err)
}

// asksForPCI tells whether a flavor has devices.
func asksForPCI(f FlavorCopy) bool { return f.ExtraSpecs[hardware.PCIAliasSpec] != "" }

// notWithDevices refuses to move a running server that has devices of its host (nova/conductor/tasks/live_migrate.py, _check_can_migrate_pci).
const notWithDevices = "Migration pre-check error: non-VIF related PCI requests for instance are not allowed for live migration."

// LiveDevices refuses what of a server cannot go to another host while it runs; "" is nothing.
func LiveDevices(srv *Server) string {
	if asksForPCI(srv.Flavor) {
		return notWithDevices
	}
	return ""
}

// PCIOf are the addresses of the devices that a server has on its host.
func (s *Service) PCIOf(ctx context.Context, srv *Server) (addresses []string, err error) {
	if !asksForPCI(srv.Flavor) {
		return nil, nil
	}
	claims, err := db.PCIClaimsOf(ctx, s.DB.Read(ctx), srv.ID)
	for _, c := range claims {
		addresses = append(addresses, c.Address)
	}
	return addresses, err
}

// takenPCI are the addresses of devices that claims are for, but those of one consumer.
func takenPCI(claims []*db.PCIClaim, but string) (addresses []string) {
	for _, c := range claims {
		if c.Consumer != but {
			addresses = append(addresses, c.Address)
		}
	}
	return addresses
}

// pciClaims are the claims of devices that were chosen for requests, in their order.
func pciClaims(consumer, host string, devices []hardware.PCIDevice, requests []hardware.PCIRequest) (claims []*db.PCIClaim) {
	for _, r := range requests {
		for _, d := range devices[:r.Count] {
			claims = append(claims, &db.PCIClaim{Host: host, Address: d.Address, Consumer: consumer, Alias: r.Alias})
		}
		devices = devices[r.Count:]
	}
	return claims
}

// freePCI are by host the devices that nobody has.
func (s *Service) freePCI(ctx context.Context, known []*hypervisor) (map[string][]hardware.PCIDevice, error) {
	free := map[string][]hardware.PCIDevice{}
	for _, n := range known {
		if len(n.host.PCI) > 0 {
			free[n.host.Name] = n.host.PCI
		}
	}
	if len(free) == 0 {
		return free, nil
	}
	claims, err := db.PCIClaims(ctx, s.DB.Read(ctx), "")
	taken := map[string][]string{}
	for _, c := range claims {
		taken[c.Host] = append(taken[c.Host], c.Address)
	}
	for host, addresses := range taken {
		free[host] = hardware.FreePCI(free[host], addresses)
	}
	return free, err
}
