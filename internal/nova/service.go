// Package nova holds the rules of the compute service: what a server may be asked to do, what it costs, who sees it.
//
// It owns Nova's database and answers for flavors, key pairs, servers, hosts and quotas. It does no work on hosts: what
// takes time is an operation (nova/ops) that the service starts in the transaction of the request. Neighbours are seen
// through the small interfaces declared here.
package nova

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"gostack/internal/clock"
	"gostack/internal/hostlink"
	"gostack/internal/nova/db"
	"gostack/internal/nova/hardware"
	"gostack/internal/store"
)

// Migrations are Nova's tables.
var Migrations = db.Migrations

// Rows of the database that are shown as they are.
type (
	Flavor         = db.Flavor
	FlavorAccess   = db.FlavorAccess
	FlavorFilter   = db.FlavorFilter
	KeyPair        = db.KeyPair
	Server         = db.Server
	ServerFilter   = db.ServerFilter
	Fault          = db.Fault
	ServiceRow     = db.Service
	ComputeNode    = db.ComputeNode
	Action         = db.Action
	ActionEvent    = db.ActionEvent
	Aggregate      = db.Aggregate
	ServerGroup    = db.ServerGroup
	ImageCopy      = db.ImageCopy
	FlavorCopy     = db.FlavorCopy
	StateCondition = db.State
	Order          = db.Order
)

// Config is what an operator may set.
type Config struct {
	// DefaultZone is shown for hosts in no zone; empty is "nova".
	DefaultZone string
	// DefaultScheduleZone is asked for when a user asks for none.
	DefaultScheduleZone string
	// ConsoleURL is where browsers find the noVNC page, without a query.
	ConsoleURL string
	// SpiceURL is where browsers find the page of SPICE, SerialURL the WebSocket of serial consoles; both without a query.
	SpiceURL, SerialURL string
	// ConsoleTTL is how long a console's ticket is good; 0 is 10 minutes.
	ConsoleTTL time.Duration
	// ShelvedOffloadTime is how long a shelved server stays on its host; 0 is not at all, below 0 for ever.
	ShelvedOffloadTime time.Duration
	// ReclaimInterval is how long a deleted server can be restored; 0 is not at all.
	ReclaimInterval time.Duration
	// MaxLocalDevices is how many disks of its host a server may ask for (max_local_block_devices); 0 is 3, below 0 any number.
	MaxLocalDevices int
	// VIFTimeout is how long a new server waits for its ports; 0 is 5 minutes.
	VIFTimeout time.Duration
	// DownAfter is the silence after which a service counts as down; 0 is a minute.
	DownAfter time.Duration
	// CPURatio, RAMRatio and DiskRatio are how far hosts may be promised beyond what they have. 0 leaves that to placement: a new host gets
	// upstream's 4, 1 and 1, and operators may change it there.
	CPURatio, RAMRatio, DiskRatio float64
	// PCIAliases are the names by which flavors ask for devices of hosts ([pci] alias).
	PCIAliases hardware.PCIAliases
	// ResizeToSameHost permits a resize to stay on its host (allow_resize_to_same_host).
	ResizeToSameHost bool
	// ResizeConfirmWindow is after how long a resize is confirmed by itself; 0 is never.
	ResizeConfirmWindow time.Duration
	// ReservedMemoryMB is kept for the host itself; 0 is 512.
	ReservedMemoryMB int
	// Live is for servers that move while they run.
	Live LiveConfig
	// ReservedDiskMB is kept for the host itself.
	ReservedDiskMB int
	// Notifications says what others are told.
	Notifications Notifications
}

// Service is Nova without its HTTP API.
type Service struct {
	DB     *store.DB
	Config Config
	Clock  clock.Clock   // nil is the system's
	NewID  func() string // nil makes random UUIDs
	Log    *slog.Logger

	Images     Images
	Made       MadeImages
	Network    Network
	Groups     SecurityGroups
	OldNetwork ProxiedNetwork
	OldImages  ProxiedImages
	Placement  Placement
	Projects   Projects
	Hosts      Hosts
	Unified    *Unified // nil: quotas are Nova's own
	Operations Operations
	Tickets    Tickets
	Link       *hostlink.Link // to hosts

	heard       heartbeats
	hypervisors hypervisors
}

// Now is the present time, in UTC.
func (s *Service) Now() time.Time {
	if s.Clock == nil {
		return clock.System.Now()
	}
	return s.Clock.Now()
}

func (s *Service) newID() string {
	if s.NewID == nil {
		return uuid.NewString()
	}
	return s.NewID()
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

// DefaultZone is the availability zone of hosts that no aggregate puts into another.
func (s *Service) DefaultZone() string {
	if s.Config.DefaultZone == "" {
		return "nova"
	}
	return s.Config.DefaultZone
}

func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	return s.DB.Write(ctx, fn)
}

func ptr[T any](v T) *T { return &v }
