package crash

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// check looks for everything that must be true when the storm is over.
func (r *run) check(ctx context.Context) {
	r.audit(ctx, "after the storm")
	r.quotas(ctx)
	r.allocations(ctx)
	r.tried()
}

// oftenEnough is how many tries of an operation must bring one that is accepted.
const oftenEnough = 30

// tried wants every operation that was tried often to have been done: else the walk does not test what it says.
func (r *run) tried() {
	for name, c := range r.report.Operations {
		if n := c.Accepted + c.Refused + c.Failed; n >= oftenEnough && c.Accepted == 0 {
			r.finding("%s was tried %d times and never accepted", name, n)
		}
	}
}

// audit wants gostack to find nothing, soon: what is delivered late is not lost.
func (r *run) audit(ctx context.Context, when string) {
	var last []string
	var err error
	for end := time.Now().Add(r.Settle); time.Now().Before(end); {
		last, err = r.Audit(ctx)
		if err == nil && len(last) == 0 {
			return
		}
		if !sleep(ctx, 300*time.Millisecond) {
			return
		}
	}
	if err != nil {
		r.finding("audit %s: %v", when, err)
	}
	for _, f := range last {
		r.finding("audit %s: %s", when, f)
	}
}

func (r *run) list(ctx context.Context) (servers []view, err error) {
	marker := ""
	for {
		var page struct{ Servers []view }
		if _, err := r.client.Get(ctx, "/compute/v2.1/servers/detail?limit=200&marker="+marker, &page); err != nil {
			return nil, err
		}
		if len(page.Servers) == 0 {
			return servers, nil
		}
		servers = append(servers, page.Servers...)
		marker = page.Servers[len(page.Servers)-1].ID
	}
}

// quotas compares what is counted with what is there.
func (r *run) quotas(ctx context.Context) {
	servers, err := r.list(ctx)
	if err != nil {
		r.finding("list: %v", err)
		return
	}
	var limits struct {
		Limits struct {
			Absolute struct{ TotalInstancesUsed, TotalCoresUsed, TotalRAMUsed int }
		}
	}
	if _, err := r.client.Get(ctx, "/compute/v2.1/limits", &limits); err != nil {
		r.finding("limits: %v", err)
		return
	}
	before, err := r.beforeResize(ctx, servers)
	if err != nil {
		r.finding("migrations: %v", err)
		return
	}
	cores, ram := 0, 0
	for _, s := range servers {
		// Until a resize is confirmed or reverted, a server counts with the larger of both flavors.
		cores += max(s.Flavor.VCPUs, before[s.ID]["VCPU"])
		ram += max(s.Flavor.RAM, before[s.ID]["MEMORY_MB"])
		if s.Task != nil || !stable[s.Status] {
			r.finding("server %s is not stable: %s %v", s.ID, s.Status, s.Task)
		}
		mine := false
		for _, w := range r.workers {
			mine = mine || w.known[s.ID]
		}
		if !mine {
			r.finding("server %s (%s) is nobody's", s.ID, s.Name)
		}
	}
	if u := limits.Limits.Absolute; u.TotalInstancesUsed != len(servers) || u.TotalCoresUsed != cores || u.TotalRAMUsed != ram {
		r.finding("quota counts %d servers, %d cores, %d MiB; there are %d, %d, %d", u.TotalInstancesUsed, u.TotalCoresUsed, u.TotalRAMUsed, len(servers), cores, ram)
	}
}

// beforeResize is what the servers that wait for the confirmation of a resize had before it, as their migrations hold it.
func (r *run) beforeResize(ctx context.Context, servers []view) (map[string]map[string]int, error) {
	out := map[string]map[string]int{}
	for _, s := range servers {
		if s.Status != "VERIFY_RESIZE" {
			continue
		}
		var moves struct{ Migrations []struct{ UUID string } }
		if _, err := r.client.Get(ctx, "/compute/v2.1/os-migrations?instance_uuid="+s.ID, &moves); err != nil {
			return nil, err
		}
		for _, m := range moves.Migrations {
			var held struct {
				Allocations map[string]struct{ Resources map[string]int }
			}
			if _, err := r.client.Get(ctx, "/placement/allocations/"+m.UUID, &held); err != nil {
				return nil, err
			}
			for _, a := range held.Allocations {
				out[s.ID] = a.Resources
			}
		}
	}
	return out, nil
}

// allocations compares placement with the servers: each holds its flavor's resources on its host, and nobody else holds any.
func (r *run) allocations(ctx context.Context) {
	servers, err := r.list(ctx)
	if err != nil {
		r.finding("list: %v", err)
		return
	}
	byID := map[string]view{}
	for _, s := range servers {
		byID[s.ID] = s
	}
	var providers struct {
		Providers []struct{ UUID, Name string } `json:"resource_providers"`
	}
	if _, err := r.client.Get(ctx, "/placement/resource_providers", &providers); err != nil {
		r.finding("placement: %v", err)
		return
	}
	// While a move waits for its confirmation, the migration holds what the server had; after an evacuation it does until the lost host has
	// come back and given up what it had ("done", and then "completed").
	var moves struct {
		Migrations []struct {
			UUID   string
			Status string
			Server string `json:"instance_uuid"`
		}
	}
	if _, err := r.client.Get(ctx, "/compute/v2.1/os-migrations", &moves); err != nil {
		r.finding("migrations: %v", err)
		return
	}
	waiting := map[string]bool{}
	for _, m := range moves.Migrations {
		waiting[m.UUID] = byID[m.Server].Status == "VERIFY_RESIZE" || m.Status == "done"
	}
	holds := map[string]string{}
	for _, p := range providers.Providers {
		var on struct {
			Allocations map[string]struct{ Resources map[string]int }
		}
		if _, err := r.client.Get(ctx, "/placement/resource_providers/"+p.UUID+"/allocations", &on); err != nil {
			r.finding("placement: %v", err)
			return
		}
		for consumer, a := range on.Allocations {
			s, lives := byID[consumer]
			switch {
			case waiting[consumer]:
			case !lives:
				r.finding("consumer %s holds %v of host %s, and is no server", consumer, a.Resources, p.Name)
			case s.Status == "ERROR":
			case s.Host != p.Name:
				r.finding("server %s on %s holds %v of host %s", s.ID, s.Host, a.Resources, p.Name)
			case s.Status != "VERIFY_RESIZE" && (a.Resources["VCPU"] != s.Flavor.VCPUs || a.Resources["MEMORY_MB"] != s.Flavor.RAM):
				r.finding("server %s with %d cores and %d MiB holds %v", s.ID, s.Flavor.VCPUs, s.Flavor.RAM, a.Resources)
			}
			if before := holds[consumer]; before != "" && s.Status != "VERIFY_RESIZE" {
				r.finding("server %s holds resources of %s and %s", consumer, before, p.Name)
			}
			holds[consumer] = p.Name
		}
	}
	for _, s := range servers {
		if holds[s.ID] == "" && s.Host != "" && s.Status != "ERROR" && s.Status != "SHELVED_OFFLOADED" {
			r.finding("server %s (%s) on %s holds nothing", s.ID, s.Status, s.Host)
		}
	}
}

// cleanUp deletes everything and wants nothing to be left.
func (r *run) cleanUp(ctx context.Context) {
	servers, err := r.list(ctx)
	if err != nil {
		r.finding("list: %v", err)
		return
	}
	for _, s := range servers {
		if _, err := r.client.Do(ctx, http.MethodPost, "/compute/v2.1/servers/"+s.ID+"/action", map[string]any{"unlock": nil}); err != nil {
			r.finding("unlock: %v", err)
		}
		if _, err := r.client.Do(ctx, http.MethodDelete, "/compute/v2.1/servers/"+s.ID, nil); err != nil {
			r.finding("delete: %v", err)
		}
	}
	for end := time.Now().Add(r.Settle); ; {
		if servers, err = r.list(ctx); err == nil && len(servers) == 0 {
			break
		}
		if time.Now().After(end) {
			for _, s := range servers {
				r.finding("server %s cannot be deleted: %s", s.ID, s.Status)
			}
			return
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
	if err := r.cleanNetworks(ctx); err != nil {
		r.finding("clean up: %v", err)
	}
	r.audit(ctx, "when everything is deleted")
	r.quotas(ctx)
	r.allocations(ctx)
}

// cleanNetworks deletes floating IPs and users' ports; ports that Nova made must be gone by themselves.
func (r *run) cleanNetworks(ctx context.Context) error {
	var fips struct{ Floatingips []struct{ ID string } }
	if _, err := r.client.Get(ctx, "/network/v2.0/floatingips?fields=id", &fips); err != nil {
		return err
	}
	for _, f := range fips.Floatingips {
		if a, err := r.client.Do(ctx, http.MethodDelete, "/network/v2.0/floatingips/"+f.ID, nil); err != nil || a.Status >= 300 {
			return fmt.Errorf("floating ip %s: %d %s %w", f.ID, a.Status, a.Body, err)
		}
	}
	var ports struct {
		Ports []struct {
			ID, Name string
			Owner    string `json:"device_owner"`
			Device   string `json:"device_id"`
		}
	}
	if _, err := r.client.Get(ctx, "/network/v2.0/ports?network_id="+r.network, &ports); err != nil {
		return err
	}
	for _, p := range ports.Ports {
		switch {
		case p.Owner == "network:router_interface" || p.Owner == "network:distributed":
		case p.Device != "" || p.Owner != "":
			r.finding("port %s still belongs to %s %s", p.ID, p.Owner, p.Device)
		case p.Name == "":
			r.finding("port %s was made for a server and is left behind", p.ID)
		default:
			if a, err := r.client.Do(ctx, http.MethodDelete, "/network/v2.0/ports/"+p.ID, nil); err != nil || a.Status >= 300 {
				return fmt.Errorf("port %s: %d %s %w", p.ID, a.Status, a.Body, err)
			}
		}
	}
	return nil
}
