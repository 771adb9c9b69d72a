package api

import (
	"gostack/internal/nova"
	"gostack/internal/rest"
)

func (a *api) zoneRoutes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/os-availability-zone", Policy: "os_compute_api:os-availability-zone:list", Handle: a.zones(false)},
		{Method: "GET", Path: "/os-availability-zone/detail", Policy: "os_compute_api:os-availability-zone:detail", Handle: a.zones(true)},
	}
}

func (a *api) zones(detail bool) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		rows, zones, err := a.nova.Services(r.Context(), "", "")
		if err != nil {
			return nil, err
		}
		type zone struct {
			available bool
			hosts     map[string]map[string]object
		}
		byName := map[string]*zone{}
		for _, sv := range rows {
			name := zones[sv.Host+"/"+sv.Binary]
			if sv.Binary != nova.BinaryCompute && !detail {
				continue // the zone of the control side is for operators
			}
			z := byName[name]
			if z == nil {
				z = &zone{hosts: map[string]map[string]object{}}
				byName[name] = z
			}
			z.available = z.available || !sv.Disabled
			if z.hosts[sv.Host] == nil {
				z.hosts[sv.Host] = map[string]object{}
			}
			z.hosts[sv.Host][sv.Binary] = object{"available": a.nova.Up(sv), "active": !sv.Disabled, "updated_at": plainTime(sv.LastSeenAt)}
		}
		views := make([]object, 0, len(byName))
		for _, available := range []bool{true, false} {
			for _, name := range sortedKeys(byName) {
				z := byName[name]
				if z.available != available {
					continue
				}
				v := object{"zoneName": name, "zoneState": object{"available": z.available}, "hosts": nil}
				if detail && z.available {
					v["hosts"] = z.hosts
				}
				views = append(views, v)
			}
		}
		return object{"availabilityZoneInfo": views}, nil
	}
}
