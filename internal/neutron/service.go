package neutron

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"gostack/internal/clock"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/driver"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// Config says what a Service works with. DB and Backend are needed, the rest has defaults.
type Config struct {
	DB      *store.DB
	Backend driver.Backend
	Clock   clock.Clock
	Log     *slog.Logger

	// TenantNetworkTypes are tried in order for networks whose type nobody chose; default geneve.
	TenantNetworkTypes []string
	// Physnets are the physical networks that may carry flat and vlan networks.
	Physnets []Physnet
	// SegmentRanges are the segmentation ids that tenants' networks of tunnel types may get, both ends included; an administrator may use any
	// id. Defaults: 1 to 65536, for nvgre 4096 to 69631.
	SegmentRanges map[string][][2]int64
	// MTU is the physical network's (global_physnet_mtu); default 1500.
	MTU int64
	// DNSServers are given to guests of subnets that name none.
	DNSServers []string
	// DNSDomain is what the names of ports end with, and given to guests (dns_domain); the default, openstacklocal, is not.
	DNSDomain string
	// AvailabilityZone of networks and routers; default nova.
	AvailabilityZone string
	// DistributedFloatingIPs answers floating IPs on the host of their port (enable_distributed_floating_ip).
	DistributedFloatingIPs bool
	// Placement counts the bandwidth that ports are guaranteed; nil: nobody does.
	Placement Placement
	// Quotas replaces the default limits, by resource; -1 is none.
	Quotas map[string]int64
	// Wait is how long an answer waits for the engine; default 4 s.
	Wait time.Duration
	// SyncEvery is how often everything is compared with the engine; default 10 min.
	SyncEvery time.Duration
	// ScanEvery is how often changes are looked for that another replica noted and did not realise, because it died; default 30 s.
	ScanEvery time.Duration
	// Lead runs fn while this process is the replica that does the named work for all. Default: it always is.
	Lead func(ctx context.Context, name string, fn func(context.Context))
}

// Physnet is a physical network.
type Physnet struct {
	Name string
	Flat bool
	// VLANs are ranges of ids that tenants' networks may take, both ends included; an administrator may use any id.
	VLANs [][2]int64
	// MTU of this network; 0: Config.MTU.
	MTU int64
}

// Service is Neutron.
type Service struct {
	Config
	// PortViews shows ports as the API does; set by package api.
	PortViews func(ctx context.Context, ids []string) (map[string]attr.Values, error)

	realiser *realiser
	statusMu sync.Mutex
	resync   chan struct{} // asks for a comparison with the engine now

	mu       sync.Mutex
	rand     *rand.Rand
	newID    func() string
	defaults sync.Map // projects that have a default security group
}

// New makes a Service. Run makes its realiser work.
func New(cfg Config) *Service {
	if cfg.Clock == nil {
		cfg.Clock = clock.System
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if len(cfg.TenantNetworkTypes) == 0 {
		cfg.TenantNetworkTypes = []string{typeGeneve}
	}
	ranges := map[string][][2]int64{typeGeneve: {{1, 65536}}, typeVXLAN: {{1, 65536}}, typeGRE: {{1, 65536}}, typeNVGRE: {{4096, 69631}}}
	maps.Copy(ranges, cfg.SegmentRanges)
	cfg.SegmentRanges = ranges
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	if cfg.DNSDomain == "" {
		cfg.DNSDomain = defaultDomain
	}
	if cfg.AvailabilityZone == "" {
		cfg.AvailabilityZone = "nova"
	}
	if cfg.Wait == 0 {
		cfg.Wait = 4 * time.Second
	}
	if cfg.SyncEvery == 0 {
		cfg.SyncEvery = 10 * time.Minute
	}
	if cfg.ScanEvery == 0 {
		cfg.ScanEvery = 30 * time.Second
	}
	if cfg.Lead == nil {
		cfg.Lead = func(ctx context.Context, _ string, fn func(context.Context)) { fn(ctx) }
	}
	s := &Service{Config: cfg, resync: make(chan struct{}, 1), rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), newID: uuid.NewString} //nolint:gosec // addresses, no secrets
	s.realiser = newRealiser(s)
	return s
}

// random returns a number from 0 to n-1.
func (s *Service) random(n int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.Int64N(n)
}

// seesAll tells whether a caller's lists are not narrowed to a project: administrators, and the services that upstream trusts.
func seesAll(c *policy.Caller) bool {
	return c.IsAdmin() || c.HasRole("service") || c.HasRole("advsvc")
}
