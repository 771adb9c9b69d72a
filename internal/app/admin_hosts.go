package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gostack/internal/hosts"
	"gostack/internal/nova"
	"gostack/internal/rest"
)

// HostReport is a host as gostack host shows it.
type HostReport struct {
	Name   string `json:"name"`
	State  string `json:"state"`  // up, down, forced-down, joining (has a certificate and was never heard of)
	Status string `json:"status"` // enabled, disabled
	Reason string `json:"disabled_reason,omitempty"`
	// LastSeen is when the host's agent was last heard of.
	LastSeen *time.Time `json:"last_seen,omitempty"`
	Address  string     `json:"address,omitempty"` // of its hostlink
	Servers  int64      `json:"servers"`
	VCPUs    [2]int64   `json:"vcpus"`     // promised, physical
	MemoryMB [2]int64   `json:"memory_mb"` // likewise
	DiskGB   [2]int64   `json:"disk_gb"`   // likewise
	// Joined and Certificate are empty for a host inside control's own process.
	Joined      *time.Time `json:"joined_at,omitempty"`
	Certificate *time.Time `json:"certificate_until,omitempty"`
	Hypervisor  string     `json:"hypervisor,omitempty"`
}

// Step is a line of progress of a command that takes its time. The last one has Done, or Error.
type Step struct {
	Text  string `json:"text,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
}

// hostRoutes are the commands on hosts, for the admin socket.
func (h *House) hostRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /tokens", h.adminToken)
	mux.HandleFunc("GET /hosts", h.adminHosts)
	mux.HandleFunc("POST /ovn/certificate", h.adminOVNCertificate)
	for action, do := range map[string]func(context.Context, hostCommand) error{
		"enable": h.enableHost, "disable": h.disableHost, "drain": h.drainHost, "remove": h.removeHost,
	} {
		mux.HandleFunc("POST /hosts/{name}/"+action, func(w http.ResponseWriter, r *http.Request) { h.adminHost(w, r, action, do) })
	}
}

func (h *House) adminToken(w http.ResponseWriter, r *http.Request) {
	if !h.onlyControl(w, "gostack token create") {
		return
	}
	q := r.URL.Query()
	var life time.Duration
	var err error
	if text := q.Get("expires"); text != "" {
		if life, err = time.ParseDuration(text); err != nil {
			http.Error(w, "expires: "+err.Error(), http.StatusBadRequest)
			return
		}
	}
	t, err := h.Hosts.CreateToken(r.Context(), q.Get("host"), life, q["control"])
	switch {
	case errors.Is(err, hosts.ErrInvalid):
		http.Error(w, strings.TrimPrefix(err.Error(), hosts.ErrInvalid.Error()+": "), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		reply(w, t)
	}
}

func (h *House) adminHosts(w http.ResponseWriter, r *http.Request) {
	if !h.onlyControl(w, "gostack host list") {
		return
	}
	list, err := h.HostReports(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, list)
}

// HostReports are the hosts that run servers or have joined, by name.
func (h *House) HostReports(ctx context.Context) ([]HostReport, error) {
	members, err := h.Hosts.Members(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]*HostReport{}
	for _, m := range members {
		byName[m.Host] = &HostReport{Name: m.Host, State: "joining", Status: "enabled", Joined: &m.JoinedAt, Certificate: &m.GoodUntil}
	}
	at := func(name string) *HostReport {
		if byName[name] == nil {
			byName[name] = &HostReport{Name: name}
		}
		return byName[name]
	}
	services, _, err := h.Nova.Services(ctx, nova.BinaryCompute, "")
	if err != nil {
		return nil, err
	}
	for _, sv := range services {
		rep := at(sv.Host)
		rep.LastSeen, rep.Status, rep.State = sv.LastSeenAt, "enabled", "down"
		switch {
		case sv.ForcedDown:
			rep.State = "forced-down"
		case h.Nova.Up(sv):
			rep.State = "up"
		}
		if sv.Disabled {
			rep.Status = "disabled"
			if sv.DisabledReason != nil {
				rep.Reason = *sv.DisabledReason
			}
		}
	}
	hypervisors, err := h.Nova.Hypervisors(ctx, 0, 0, false)
	if err != nil {
		return nil, err
	}
	for _, v := range hypervisors {
		rep, i, u := at(v.Host), v.Info, v.Use
		rep.Address, rep.Servers, rep.Hypervisor = i.LinkAddress, u.Servers, i.HypervisorType
		rep.VCPUs, rep.MemoryMB, rep.DiskGB = [2]int64{u.VCPUs, int64(i.VCPUs)}, [2]int64{u.MemoryMB, int64(i.MemoryMB)}, [2]int64{u.DiskGB, int64(i.DiskGB)}
	}
	list := []HostReport{}
	for _, rep := range byName {
		list = append(list, *rep)
	}
	slices.SortFunc(list, func(a, b HostReport) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// hostCommand is one command on a host.
type hostCommand struct {
	host, reason string
	force, cold  bool
	say          func(format string, args ...any)
}

// adminHost runs a command and tells its progress line by line.
func (h *House) adminHost(w http.ResponseWriter, r *http.Request, action string, do func(context.Context, hostCommand) error) {
	name := r.PathValue("name")
	if !h.onlyControl(w, "gostack host "+action+" "+name) {
		return
	}
	list, err := h.HostReports(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !slices.ContainsFunc(list, func(rep HostReport) bool { return rep.Name == name }) {
		http.Error(w, fmt.Sprintf("there is no host %q; gostack host list shows those that there are", name), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	flush := http.NewResponseController(w)
	write := func(s Step) {
		_ = json.NewEncoder(w).Encode(s)
		_ = flush.Flush()
	}
	c := hostCommand{host: name, reason: r.URL.Query().Get("reason"), force: r.URL.Query().Get("force") == "true", cold: r.URL.Query().Get("cold") == "true"}
	c.say = func(format string, args ...any) { write(Step{Text: fmt.Sprintf(format, args...)}) }
	if err := do(r.Context(), c); err != nil {
		write(Step{Error: err.Error()})
		return
	}
	write(Step{Done: true})
}

func (h *House) setDisabled(ctx context.Context, host string, disabled bool, reason string) error {
	u := nova.ServiceUpdate{Disabled: &disabled}
	if disabled && reason != "" {
		u.Reason = &reason
	}
	_, _, err := h.Nova.UpdateService(ctx, "", nova.BinaryCompute, host, u)
	return err
}

func (h *House) enableHost(ctx context.Context, c hostCommand) error {
	if err := h.setDisabled(ctx, c.host, false, ""); err != nil {
		return err
	}
	c.say("host %s gets new servers again", c.host)
	return nil
}

func (h *House) disableHost(ctx context.Context, c hostCommand) error {
	if err := h.setDisabled(ctx, c.host, true, c.reason); err != nil {
		return err
	}
	c.say("host %s gets no new servers; those on it stay", c.host)
	return nil
}

// removeHost takes a host out of the cloud. Its access goes first, so that nothing comes from it any more; what is known of it goes when nothing
// is on it.
func (h *House) removeHost(ctx context.Context, c hostCommand) error {
	servers, err := h.Nova.ServersOn(ctx, c.host)
	if err != nil {
		return err
	}
	if len(servers) > 0 && !c.force {
		return fmt.Errorf("host %s has %d servers; gostack host drain %s moves them away (--force removes its access at once and leaves them to be evacuated)", c.host, len(servers), c.host)
	}
	moves, err := h.Nova.MovesOf(ctx, c.host)
	if err != nil {
		return err
	}
	if len(moves) > 0 && !c.force {
		return fmt.Errorf("%d moves of servers from or to host %s are not over; gostack host drain %s says which, and ends those that it has made", len(moves), c.host, c.host)
	}
	if c.host == h.Config.Host && h.Link.Self.Host == c.host {
		return fmt.Errorf("host %s is this control process itself (run all); run it as control to take the host away", c.host)
	}
	if err := h.setDisabled(ctx, c.host, true, "being removed"); err != nil && !rest.IsNotFound(err) {
		return err
	}
	if err := h.Hosts.Remove(ctx, c.host); err != nil {
		return fmt.Errorf("its access: %w; run this command again", err)
	}
	h.tellRemoved(ctx)
	c.say("its certificate and its user on the message broker are no good any more")
	if len(servers) > 0 {
		yes := true
		if _, _, err := h.Nova.UpdateService(ctx, "", nova.BinaryCompute, c.host, nova.ServiceUpdate{ForcedDown: &yes}); err != nil {
			return err
		}
		c.say("%d servers are still recorded on it; the host counts as down, so they can be evacuated: openstack server evacuate ID", len(servers))
		return fmt.Errorf("host %s is shut out, but stays recorded until its servers are evacuated or deleted; then run this command again", c.host)
	}
	if err := h.Neutron.ForgetHost(ctx, c.host); err != nil {
		return fmt.Errorf("OVN: %w; run this command again", err)
	}
	c.say("OVN has forgotten its chassis (it comes back for as long as ovn-controller runs there)")
	services, _, err := h.Nova.Services(ctx, nova.BinaryCompute, c.host)
	if err != nil {
		return err
	}
	for _, sv := range services {
		if err := h.Nova.DeleteService(ctx, sv.ID); err != nil && !rest.IsNotFound(err) {
			return err
		}
	}
	c.say("host %s is removed; what still runs on the machine itself ends with, there: gostack down --purge", c.host)
	return nil
}

// FollowAdmin runs a command of the gostack on this machine and gives its progress to f as it comes. The error is the command's.
func FollowAdmin(ctx context.Context, runDir, path string, f func(Step)) error {
	body, err := openAdmin(ctx, runDir, http.MethodPost, path)
	if err != nil {
		return err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var s Step
		if err := lines.Decode(&s); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted; what has begun goes on: %w", ctx.Err())
			}
			return fmt.Errorf("control ended before it was done; run the command again: %w", err)
		}
		f(s)
		switch {
		case s.Error != "":
			return errors.New(s.Error)
		case s.Done:
			return nil
		}
	}
}
