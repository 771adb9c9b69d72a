package nova

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// CreateRequest is what a user wants, after the form of the request has been judged.
type CreateRequest struct {
	Name         string
	Hostname     string // "": made from the name
	Description  *string
	FlavorID     string
	ImageID      string // "" when block devices are to boot from
	KeyName      string
	Metadata     map[string]string
	Networks     []neutron.NICRequest
	UserData     *string // base64
	ConfigDrive  bool
	DiskConfig   string // "": as the image says
	AccessIPv4   string
	AccessIPv6   string
	Zone         string // zone, or an administrator's zone:host:node
	Host, Node   string // microversion 2.74
	Min, Max     int
	Tags         []string
	TrustedCerts []string
	Hints        map[string]any
	Files        []db.File
	AdminPass    string
	Devices      []BlockDevice
	PlainPorts   bool // ports that ask for resources are refused: before microversion 2.72
	OldDevices   bool // Devices are of the form before block_device_mapping_v2, which leaves the image to boot from to imageRef

	// ForceHost tells whether the caller may name a host in the zone; AnyDisk whether a flavor without a disk may boot an image.
	ForceHost, AnyDisk func() error
}

// CreateServers accepts new servers: rows, their operations and nothing else, in one transaction. It returns the servers as stored.
func (s *Service) CreateServers(ctx context.Context, c *policy.Caller, in CreateRequest) ([]*Server, error) {
	flavor, err := s.Flavor(ctx, c, in.FlavorID)
	if err != nil {
		if rest.IsNotFound(err) {
			return nil, rest.BadRequest("Flavor %s could not be found.", in.FlavorID)
		}
		return nil, err
	}
	image, err := s.bootImage(ctx, c, &in, flavor)
	if err != nil {
		return nil, err
	}
	if image != nil {
		if err := s.pciFits(flavorCopy(flavor), image.ID, imageCopy(image)); err != nil {
			return nil, err
		}
		if err := hardwareFits(flavorCopy(flavor), image.ID, imageCopy(image)); err != nil {
			return nil, err
		}
		if err := diskConfigFits(image.ID, image.Properties, &in.DiskConfig); err != nil {
			return nil, err
		}
	}
	key, err := s.bootKey(ctx, c, in.KeyName)
	if err != nil {
		return nil, err
	}
	zone, requested, err := s.destination(ctx, &in)
	if err != nil {
		return nil, err
	}
	group, err := s.bootGroup(ctx, c, in.Hints)
	if err != nil {
		return nil, err
	}
	if in.Max > 1 {
		for _, n := range in.Networks {
			if n.PortID != "" {
				return nil, rest.BadRequest("Failed to launch instances: Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.")
			}
			if n.FixedIP != "" {
				return nil, rest.BadRequest("Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified.")
			}
		}
	}
	plan, err := s.Network.PlanPorts(ctx, c, in.Networks)
	if err != nil {
		return nil, err
	}
	if err := s.portRoom(ctx, c, &in, plan); err != nil {
		return nil, err
	}
	if in.PlainPorts && slices.ContainsFunc(plan, func(nic neutron.NICPlan) bool { return nic.PortID != "" && nic.Request != nil }) {
		return nil, rest.BadRequest("Creating servers with ports having resource requests, like a port with a QoS minimum bandwidth policy, is not supported until microversion 2.72.")
	}

	now := s.Now()
	base := Server{
		ProjectID: c.ProjectID, UserID: c.UserID, Description: in.Description, VMState: Building, AvailabilityZone: zone, ReservationID: reservationID(),
		FlavorID: flavor.ID, Flavor: flavorCopy(flavor), VCPUs: flavor.VCPUs, MemoryMB: flavor.MemoryMB, RootGB: flavor.RootGB, EphemeralGB: flavor.EphemeralGB,
		UserData: in.UserData, ConfigDrive: in.ConfigDrive, DiskConfig: in.DiskConfig, AccessIPv4: in.AccessIPv4, AccessIPv6: shortIPv6(in.AccessIPv6),
		Metadata: in.Metadata, Tags: in.Tags, SchedulerHints: in.Hints, TrustedCerts: in.TrustedCerts, Requested: requested, CreatedAt: now, UpdatedAt: now,
	}
	if zone != "" {
		base.PinnedZone = &zone
	}
	if image != nil {
		base.ImageID, base.Image = image.ID, imageCopy(image)
	}
	if key != nil {
		base.KeyName, base.KeyData = &key.Name, db.KeyCopy{Type: key.Type, PublicKey: key.PublicKey}
	}
	if group != nil {
		base.ServerGroupID, base.Requested.GroupPolicy = &group.ID, group.Policy
	}
	base.Requested.Files, base.Requested.Devices = in.Files, len(in.Devices) > 0
	base.RootDeviceName = rootDeviceName(image, in.Devices)
	if in.ConfigDrive { // the only way by which a guest hears of it
		base.Requested.AdminPass = in.AdminPass
	}
	var servers []*Server
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		servers = nil
		count, err := s.admit(ctx, tx, c, &in, &base)
		if err != nil {
			return err
		}
		if err := s.groupRoom(ctx, tx, c, group, count); err != nil {
			return err
		}
		for i := range count {
			srv := base
			srv.ID, srv.LaunchIndex = s.newID(), i
			srv.Name, srv.Hostname = names(in, i, count, srv.ID)
			servers = append(servers, &srv)
		}
		if err := s.startCreation(ctx, tx, c, servers, plan, in.Min); err != nil {
			return err
		}
		for _, srv := range servers {
			if err := db.Insert(ctx, tx, srv); err != nil {
				return err
			}
		}
		return db.InsertBlockDevices(ctx, tx, devicesOf(servers, in.Devices))
	})
	return servers, err
}

// portRoom makes a request for several servers one for as many as the project may have ports for.
func (s *Service) portRoom(ctx context.Context, c *policy.Caller, in *CreateRequest, plan []neutron.NICPlan) error {
	each := 0
	for _, nic := range plan {
		if nic.PortID == "" {
			each++
		}
	}
	if in.Max == 1 || each == 0 {
		return nil
	}
	room, err := s.Network.PortRoom(ctx, c.ProjectID)
	switch {
	case err != nil || room < 0:
		return err
	case room < in.Min*each:
		return rest.Forbidden("Maximum number of ports exceeded")
	}
	in.Max = min(in.Max, room/each)
	return nil
}

// startCreation starts the operation that makes a server, or the one that places several of a request together.
func (s *Service) startCreation(ctx context.Context, tx store.Tx, c *policy.Caller, servers []*Server, plan []neutron.NICPlan, least int) error {
	if len(servers) == 1 {
		srv := servers[0]
		return s.begin(ctx, tx, c, srv, work{action: "create", task: "scheduling", kind: KindCreate, state: CreateState{ServerID: srv.ID, Plan: plan}})
	}
	state := PlaceState{Least: least, Plan: plan}
	for _, srv := range servers {
		state.Servers = append(state.Servers, srv.ID)
	}
	id, err := s.Operations.Start(ctx, tx, saga.Intent{
		Kind: KindPlace, Resource: saga.Resource{Type: ReservationResource, ID: servers[0].ReservationID}, State: state, Caller: c, RequestID: c.RequestID,
	})
	if err != nil {
		return err
	}
	for _, srv := range servers {
		srv.OperationID, srv.TaskState = &id, "scheduling"
		if err := s.noteAction(ctx, tx, c, srv, "create", &id); err != nil {
			return err
		}
	}
	return nil
}

// names are the display name and host name of the i-th of count servers; several are numbered from 1. A name of which nothing is fit for a host
// name gives way to the server's id.
func names(in CreateRequest, i, count int, id string) (name, hostname string) {
	name, hostname = in.Name, in.Hostname
	if hostname == "" {
		hostname = in.Name
	}
	if count > 1 {
		name = fmt.Sprintf("%s-%d", name, i+1)
		hostname = fmt.Sprintf("%s-%d", hostname, i+1)
	}
	if in.Hostname == "" || count > 1 {
		hostname = cmp.Or(SanitizeHostname(hostname), "Server-"+id)
	}
	return name, hostname
}

var notHostname = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// SanitizeHostname makes a host name of any name, as upstream does: spaces and underscores become dashes, other characters go. "" when nothing is left.
func SanitizeHostname(name string) string {
	name = strings.NewReplacer(" ", "-", "_", "-").Replace(name)
	name = strings.Trim(strings.ToLower(notHostname.ReplaceAllString(name, "")), ".-")
	name = strings.ReplaceAll(name, ".", "-")
	if len(name) > 63 {
		name = strings.Trim(name[:63], ".-")
	}
	return name
}

// admit counts what the project and the user hold and returns how many servers fit, between Min and Max, or refuses.
func (s *Service) admit(ctx context.Context, tx store.Tx, c *policy.Caller, in *CreateRequest, base *Server) (int, error) {
	bounds, err := s.bounds(ctx, tx, c.ProjectID, c.UserID)
	if err != nil {
		return 0, err
	}
	limits := bounds[len(bounds)-1].limits
	if most := limits["metadata_items"]; most >= 0 && int64(len(in.Metadata)) > most {
		return 0, s.over("metadata_items", most, 0, int64(len(in.Metadata)), "Maximum number of metadata items exceeds %d", most)
	}
	if err := s.filesFit(limits, in.Files); err != nil {
		return 0, err
	}
	if s.Unified != nil {
		return s.fits(ctx, c.ProjectID, demand(base), false, in.Min, in.Max)
	}
	f, fits, least := base.Flavor, int64(in.Max), int64(in.Min)
	for _, b := range bounds {
		if err := within(b.limits, b.servers(least, least*f.VCPUs, least*f.MemoryMB)); err != nil {
			return 0, err
		}
		for _, n := range b.servers(1, f.VCPUs, f.MemoryMB) {
			if limit := b.limits[n.name]; limit >= 0 && n.each > 0 {
				fits = min(fits, (limit-n.has)/n.each)
			}
		}
	}
	return int(fits), nil
}

// need is what a request takes of a resource, and what is taken already.
type need struct {
	name      string
	each, has int64
}

// within refuses needs that are beyond the limits. What takes nothing more is not refused.
func within(limits Limits, needs []need) error {
	var over, req, used, allowed []string
	for _, n := range needs {
		if limit := limits[n.name]; limit >= 0 && n.each > 0 && n.has+n.each > limit {
			over = append(over, n.name)
			req = append(req, fmt.Sprint(n.each))
			used = append(used, fmt.Sprint(n.has))
			allowed = append(allowed, fmt.Sprint(limit))
		}
	}
	if over == nil {
		return nil
	}
	list := func(l []string) string { return strings.Join(l, ", ") }
	return rest.Forbidden("Quota exceeded for %s: Requested %s, but already used %s of %s %s", list(over), list(req), list(used), list(allowed), list(over))
}

func (s *Service) bootKey(ctx context.Context, c *policy.Caller, name string) (*KeyPair, error) {
	if name == "" {
		return nil, nil
	}
	k, err := s.KeyPair(ctx, c.UserID, name)
	if rest.IsNotFound(err) {
		return nil, rest.BadRequest("Invalid key_name provided.")
	}
	return k, err
}

func flavorCopy(f *Flavor) FlavorCopy {
	return FlavorCopy{
		Name: f.Name, VCPUs: f.VCPUs, MemoryMB: f.MemoryMB, RootGB: f.RootGB, EphemeralGB: f.EphemeralGB, SwapMB: f.SwapMB, RxTxFactor: f.RxTxFactor,
		ExtraSpecs: maps.Clone(f.ExtraSpecs),
	}
}

func imageCopy(i *Image) ImageCopy {
	return ImageCopy{
		Name: i.Name, DiskFormat: i.DiskFormat, Size: i.Size, MinDiskGB: i.MinDiskGB, MinRAMMB: i.MinRAMMB, HashAlgo: i.HashAlgo, HashValue: i.HashValue, Properties: i.Properties,
	}
}

const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

func reservationID() string { return "r-" + random(8, letters) }

// random is text of n letters of an alphabet of at most 64.
func random(n int, alphabet string) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

// NewPassword makes an administrator's password for a server, without characters that look alike.
func NewPassword() string {
	return random(12, "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}
