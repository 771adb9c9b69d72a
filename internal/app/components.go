package app

import (
	"gostack/internal/glance"
	"gostack/internal/keystone"
	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/placement"
)

// Components are all parts of the cloud. The order is that of their start where nothing else decides.
// Each is declared in the file of its service.
var Components = []Component{
	engineSupervisor,
	keystoneAPI,
	glanceAPI,
	placementAPI,
	neutronAPI,
	neutronMetadataAgent,
	neutronTunnelAgent,
	novaConductor,
	novaScheduler,
	novaAPI,
	novaMetadata,
	novaNoVNCProxy,
	novaSerialProxy,
	novaSpiceProxy,
	novaCompute,
}

// Roles are named sets of components.
var Roles = map[string][]string{
	"all":     names(func(*Component) bool { return true }),
	"control": names(func(c *Component) bool { return c.Control }),
	"host":    names(func(c *Component) bool { return !c.Control }),
}

func names(want func(*Component) bool) (list []string) {
	for i := range Components {
		if want(&Components[i]) {
			list = append(list, Components[i].Name)
		}
	}
	return list
}

// Neighbours are the services as other services see them, set by the component that makes them.
type Neighbours struct {
	Keystone  *keystone.Service
	Glance    *glance.Service
	Placement *placement.Service
	Neutron   *neutron.Service
	Nova      *nova.Service
}
