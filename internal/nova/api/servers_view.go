package api

import (
	"encoding/json"
	"slices"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/rest"
)

// null is a JSON null in a field that is left out when it is empty.
var null any = json.RawMessage("null")

// serverView is a server in detail. Fields that some microversion or policy hides are left out when nil. Lists of a thousand
// servers are written from it, which is why it is no map.
type serverView struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Status     string            `json:"status"`
	TenantID   string            `json:"tenant_id"`
	UserID     string            `json:"user_id"`
	Metadata   map[string]string `json:"metadata"`
	HostID     string            `json:"hostId"`
	Image      any               `json:"image"`
	Flavor     any               `json:"flavor"`
	Created    string            `json:"created"`
	Updated    string            `json:"updated"`
	Addresses  addresses         `json:"addresses"`
	AccessIPv4 string            `json:"accessIPv4"`
	AccessIPv6 string            `json:"accessIPv6"`
	Links      []rest.Link       `json:"links"`
	DiskConfig string            `json:"OS-DCF:diskConfig"`
	Progress   *int              `json:"progress,omitempty"`
	Fault      any               `json:"fault,omitempty"`

	Zone           string              `json:"OS-EXT-AZ:availability_zone"`
	PinnedZone     any                 `json:"pinned_availability_zone,omitempty"`
	ConfigDrive    string              `json:"config_drive"`
	KeyName        *string             `json:"key_name"`
	LaunchedAt     any                 `json:"OS-SRV-USG:launched_at"`
	TerminatedAt   any                 `json:"OS-SRV-USG:terminated_at"`
	SecurityGroups []map[string]string `json:"security_groups,omitempty"`

	Host           any `json:"OS-EXT-SRV-ATTR:host,omitempty"`
	InstanceName   any `json:"OS-EXT-SRV-ATTR:instance_name,omitempty"`
	Hypervisor     any `json:"OS-EXT-SRV-ATTR:hypervisor_hostname,omitempty"`
	ReservationID  any `json:"OS-EXT-SRV-ATTR:reservation_id,omitempty"`
	LaunchIndex    any `json:"OS-EXT-SRV-ATTR:launch_index,omitempty"`
	Hostname       any `json:"OS-EXT-SRV-ATTR:hostname,omitempty"`
	KernelID       any `json:"OS-EXT-SRV-ATTR:kernel_id,omitempty"`
	RamdiskID      any `json:"OS-EXT-SRV-ATTR:ramdisk_id,omitempty"`
	RootDeviceName any `json:"OS-EXT-SRV-ATTR:root_device_name,omitempty"`
	UserData       any `json:"OS-EXT-SRV-ATTR:user_data,omitempty"`

	TaskState  *string `json:"OS-EXT-STS:task_state"`
	VMState    string  `json:"OS-EXT-STS:vm_state"`
	PowerState int     `json:"OS-EXT-STS:power_state"`

	Volumes        []any `json:"os-extended-volumes:volumes_attached"`
	HostStatus     any   `json:"host_status,omitempty"`
	Locked         any   `json:"locked,omitempty"`
	LockedReason   any   `json:"locked_reason,omitempty"`
	Description    any   `json:"description,omitempty"`
	Tags           any   `json:"tags,omitempty"`
	TrustedCerts   any   `json:"trusted_image_certificates,omitempty"`
	ServerGroups   any   `json:"server_groups,omitempty"`
	SchedulerHints any   `json:"scheduler_hints,omitempty"`
	AdminPass      any   `json:"adminPass,omitempty"`
}

// viewer knows what of a server the caller of a request sees; it is made once for a page.
type viewer struct {
	r          *rest.Request
	attributes bool // os-extended-server-attributes
	extraSpecs bool
	hostStatus bool
	unknown    bool // host_status only when it is UNKNOWN
	groups     bool // server_groups: of one server, not in lists
	status     map[string]string
	addresses  map[string][]neutron.Port
}

// viewer prepares views of servers: their ports, and the state of their hosts if the caller sees it.
func (a *api) viewer(r *rest.Request, servers ...*nova.Server) (*viewer, error) {
	v := &viewer{
		r: r, attributes: r.Can("os_compute_api:os-extended-server-attributes", nil),
		extraSpecs: r.Can("os_compute_api:servers:show:flavor-extra-specs", nil),
	}
	ids := make([]string, len(servers))
	for i, s := range servers {
		ids[i] = s.ID
	}
	if len(ids) > 0 {
		var err error
		if v.addresses, err = a.nova.Network.PortsOf(r.Context(), ids); err != nil {
			return nil, err
		}
	}
	if r.Version.AtLeast(2, 16) {
		v.hostStatus = r.Can("os_compute_api:servers:show:host_status", nil)
		v.unknown = !v.hostStatus && r.Can("os_compute_api:servers:show:host_status:unknown-only", nil)
		if v.hostStatus || v.unknown {
			var err error
			if v.status, err = a.nova.HostStatuses(r.Context(), hostsOf(servers)...); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// hostsOf names the hosts of servers, each once.
func hostsOf(servers []*nova.Server) (hosts []string) {
	seen := map[string]bool{"": true}
	for _, s := range servers {
		if !seen[s.Host] {
			hosts, seen[s.Host] = append(hosts, s.Host), true
		}
	}
	return hosts
}

func (v *viewer) view(s *nova.Server) *serverView {
	r := v.r
	at := func(minor int) bool { return r.Version.AtLeast(2, minor) }
	out := &serverView{
		ID: s.ID, Name: s.Name, Status: nova.Status(s.VMState, s.TaskState), TenantID: s.ProjectID, UserID: s.UserID, Metadata: notNil(s.Metadata),
		HostID: nova.HostID(s.ProjectID, s.Host), Image: v.image(s), Flavor: v.flavor(s), Created: zulu(s.CreatedAt), Updated: zulu(s.UpdatedAt),
		Addresses: addressesOf(v.addresses[s.ID], true), AccessIPv4: s.AccessIPv4, AccessIPv6: s.AccessIPv6, Links: links(r, "servers", s.ID),
		DiskConfig: s.DiskConfig, Zone: s.AvailabilityZone, KeyName: s.KeyName, LaunchedAt: plainTime(s.LaunchedAt), TerminatedAt: plainTime(s.TerminatedAt),
		VMState: s.VMState, PowerState: s.PowerState, Volumes: []any{},
	}
	if s.ConfigDrive {
		out.ConfigDrive = "True"
	}
	if s.TaskState != "" {
		out.TaskState = &s.TaskState
	}
	switch out.Status {
	case "ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING":
		progress := s.Progress
		out.Progress = &progress
	case "ERROR", "DELETED":
		out.Fault = faultView(r, s.Fault)
	}
	for _, name := range groupNames(v.addresses[s.ID]) {
		out.SecurityGroups = append(out.SecurityGroups, map[string]string{"name": name})
	}
	v.hostAttributes(out, s)
	if at(9) {
		out.Locked = s.LockedBy != ""
	}
	if at(19) {
		out.Description = orNull(s.Description)
	}
	if at(26) {
		tags := s.Tags
		if tags == nil {
			tags = []string{}
		}
		out.Tags = tags
	}
	if at(63) {
		out.TrustedCerts = null
		if s.TrustedCerts != nil {
			out.TrustedCerts = s.TrustedCerts
		}
	}
	if at(71) && v.groups {
		out.ServerGroups = []string{}
		if s.ServerGroupID != nil {
			out.ServerGroups = []string{*s.ServerGroupID}
		}
	}
	if at(73) {
		out.LockedReason = orNull(s.LockedReason)
	}
	if at(96) {
		out.PinnedZone = orNull(s.PinnedZone)
	}
	if at(100) {
		out.SchedulerHints = hintLists(s.SchedulerHints)
	}
	return out
}

// hintLists are scheduler hints as upstream keeps them: every value is a list.
func hintLists(hints map[string]any) map[string]any {
	out := make(map[string]any, len(hints))
	for k, v := range hints {
		if _, is := v.([]any); !is {
			v = []any{v}
		}
		out[k] = v
	}
	return out
}

func orNull(s *string) any {
	if s == nil {
		return null
	}
	return *s
}

// hostAttributes fills what says where a server is.
func (v *viewer) hostAttributes(out *serverView, s *nova.Server) {
	r := v.r
	if v.attributes {
		out.Host, out.Hypervisor = emptyNull(s.Host), emptyNull(s.Node)
		out.InstanceName = nova.InstanceName(s)
		if r.Version.AtLeast(2, 3) {
			out.ReservationID, out.LaunchIndex, out.Hostname = s.ReservationID, s.LaunchIndex, s.Hostname
			out.KernelID, out.RamdiskID, out.RootDeviceName = "", "", emptyNull(s.RootDeviceName)
			out.UserData = orNull(s.UserData)
		}
	}
	if r.Version.AtLeast(2, 90) {
		out.Hostname = s.Hostname
	}
	if v.status != nil {
		st := ""
		if s.Host != "" {
			if st = v.status[s.Host]; st == "" {
				st = nova.HostUnknown
			}
		}
		if v.hostStatus || st == nova.HostUnknown {
			out.HostStatus = st
		}
	}
}

func emptyNull(s string) any {
	if s == "" {
		return null
	}
	return s
}

func (v *viewer) image(s *nova.Server) any {
	if s.ImageID == "" {
		return ""
	}
	out := struct {
		ID         string            `json:"id"`
		Links      []rest.Link       `json:"links"`
		Properties map[string]string `json:"properties,omitzero"`
	}{ID: s.ImageID, Links: []rest.Link{bookmark(v.r, "images", s.ImageID)}}
	if v.r.Version.AtLeast(2, 98) {
		out.Properties = notNil(s.Image.Properties)
	}
	return out
}

type embeddedFlavor struct {
	Disk       int64             `json:"disk"`
	Ephemeral  int64             `json:"ephemeral"`
	ExtraSpecs map[string]string `json:"extra_specs,omitzero"`
	Name       string            `json:"original_name"`
	RAM        int64             `json:"ram"`
	Swap       int64             `json:"swap"`
	VCPUs      int64             `json:"vcpus"`
}

func (v *viewer) flavor(s *nova.Server) any {
	if !v.r.Version.AtLeast(2, 47) {
		return struct {
			ID    string      `json:"id"`
			Links []rest.Link `json:"links"`
		}{s.FlavorID, []rest.Link{bookmark(v.r, "flavors", s.FlavorID)}}
	}
	f := s.Flavor
	out := embeddedFlavor{Disk: f.RootGB, Ephemeral: f.EphemeralGB, Name: f.Name, RAM: f.MemoryMB, Swap: f.SwapMB, VCPUs: f.VCPUs}
	if v.extraSpecs {
		out.ExtraSpecs = notNil(f.ExtraSpecs)
	}
	return out
}

// faultView is why a server is in error; only administrators see the details.
func faultView(r *rest.Request, f *nova.Fault) any {
	if f == nil {
		return nil
	}
	out := object{"code": f.Code, "created": zulu(f.At), "message": f.Message}
	if f.Details != "" && (f.Code != 500 || r.Caller.IsAdmin()) {
		out["details"] = f.Details
	}
	return out
}

// groupNames are the names of the security groups of ports, each once.
func groupNames(ports []neutron.Port) (names []string) {
	for i := range ports {
		for _, g := range ports[i].SecurityGroups {
			if !slices.Contains(names, g.Name) {
				names = append(names, g.Name)
			}
		}
	}
	return names
}

// addresses are a server's addresses by network name, in the order of the ports.
type addresses struct {
	networks []string
	by       map[string][]address
}

type address struct {
	Version int    `json:"version"`
	Addr    string `json:"addr"`
	Type    string `json:"OS-EXT-IPS:type,omitempty"`
	MAC     string `json:"OS-EXT-IPS-MAC:mac_addr,omitempty"`
}

// MarshalJSON writes an object whose members keep their order.
func (a addresses) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, n := range a.networks {
		if i > 0 {
			out = append(out, ',')
		}
		k, err := json.Marshal(n)
		if err != nil {
			return nil, err
		}
		v, err := json.Marshal(a.by[n])
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, k...), ':'), v...)
	}
	return append(out, '}'), nil
}

func addressesOf(ports []neutron.Port, extended bool) addresses {
	a := addresses{by: map[string][]address{}}
	for i := range ports {
		p := &ports[i]
		if _, ok := a.by[p.NetworkName]; !ok {
			a.networks = append(a.networks, p.NetworkName)
			a.by[p.NetworkName] = []address{}
		}
		add := func(version int, addr, kind string) {
			x := address{Version: version, Addr: addr}
			if extended {
				x.Type, x.MAC = kind, p.MAC
			}
			a.by[p.NetworkName] = append(a.by[p.NetworkName], x)
		}
		for _, ip := range p.FixedIPs {
			add(ip.Version, ip.Address, "fixed")
		}
		for _, ip := range p.FixedIPs {
			for _, f := range ip.FloatingIPs {
				add(4, f, "floating")
			}
		}
	}
	return a
}

// basicView is a server in a list without detail.
func basicView(r *rest.Request, s *nova.Server) object {
	return object{"id": s.ID, "name": s.Name, "links": links(r, "servers", s.ID)}
}
