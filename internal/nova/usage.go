package nova

import (
	"context"
	"slices"
	"time"

	"gostack/internal/nova/db"
	"gostack/internal/rest"
)

// ServerUsage is what one server used in a stretch of time.
type ServerUsage struct {
	*Server
	Hours  float64       // within the stretch
	Uptime time.Duration // of the server altogether
}

// ProjectUsage is what a project used in a stretch of time.
type ProjectUsage struct {
	ProjectID                                    string
	Hours, VCPUHours, MemoryMBHours, DiskGBHours float64
	Servers                                      []*ServerUsage
}

// UsagePage is a part of a report: so many servers (0: all) behind the one named ("": from the first).
type UsagePage struct {
	Limit  int
	Marker string
}

// usageColumns are what a report tells of servers.
var usageColumns = []string{
	"id", "name", "project_id", "vm_state", "vcpus", "memory_mb", "root_gb", "ephemeral_gb", "flavor", "created_at", "launched_at", "terminated_at",
}

// Usage returns what the servers of a project ("" is all) used between start and stop, in the order in which they were made.
func (s *Service) Usage(ctx context.Context, project string, start, stop time.Time, page UsagePage) ([]*ServerUsage, error) {
	f := ServerFilter{Project: project, Both: true, UsedFrom: &start, UsedUntil: &stop, Sort: []Order{{Column: "created_at"}}, Only: usageColumns, Limit: page.Limit}
	if page.Marker != "" {
		f.IDs = []string{page.Marker}
		found, err := db.ListServers(ctx, s.DB.Read(ctx), f)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, rest.BadRequest("marker [%s] not found", page.Marker)
		}
		f.IDs, f.Marker = nil, found[0]
	}
	rows, err := db.ListServers(ctx, s.DB.Read(ctx), f)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	out := make([]*ServerUsage, 0, len(rows))
	for _, srv := range rows {
		from, until := *srv.LaunchedAt, now
		if srv.TerminatedAt != nil {
			until = *srv.TerminatedAt
		}
		u := &ServerUsage{Server: srv, Uptime: until.Sub(from)}
		if from.Before(start) {
			from = start
		}
		if until.After(stop) {
			until = stop
		}
		u.Hours = max(0, until.Sub(from).Hours())
		out = append(out, u)
	}
	return out, nil
}

// ByProject sums a report up by project.
func ByProject(list []*ServerUsage) []*ProjectUsage {
	byID := map[string]*ProjectUsage{}
	var out []*ProjectUsage
	for _, s := range list {
		u := byID[s.ProjectID]
		if u == nil {
			u = &ProjectUsage{ProjectID: s.ProjectID}
			byID[s.ProjectID] = u
			out = append(out, u)
		}
		u.Hours += s.Hours
		u.VCPUHours += s.Hours * float64(s.VCPUs)
		u.MemoryMBHours += s.Hours * float64(s.MemoryMB)
		u.DiskGBHours += s.Hours * float64(s.RootGB+s.EphemeralGB)
		u.Servers = append(u.Servers, s)
	}
	slices.SortFunc(out, func(a, b *ProjectUsage) int {
		if a.ProjectID < b.ProjectID {
			return -1
		}
		return 1
	})
	return out
}
