// Package ovn realises Neutron's networks in OVN through its Northbound database.
//
// Each API resource is rendered by a pure function into a plan: the rows it should have. The plan is compared with the rows that carry
// the resource's owner mark, and the difference is one transaction. Sync does the same for everything at once. Row UUIDs are
// derived from API ids, so no look-up is needed to refer to a row, and two writers cannot create a thing twice.
// Names and external_ids follow networking-ovn's layout (neutron-ID switches, lrp-ID router ports, pg_ID port groups,
// neutron_pg_drop), so operators' tools and habits keep working. Rows without our owner mark are never touched.
//
// The package never reads Neutron's database and never runs commands.
package ovn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/neutron/driver"
)

// Config says where OVN is.
type Config struct {
	Northbound []string // OVSDB endpoints: "unix:/run/ovn/ovnnb_db.sock" or "ssl:IP:6641"
	Southbound []string
	// For endpoints of kind ssl. ChassisTLS is the certificate of a chassis, in whose name it is removed: a southbound database with roles lets nobody else.
	NorthboundTLS, SouthboundTLS *tls.Config
	ChassisTLS                   func(chassis string) *tls.Config
	// DHCPLease is the lease time in seconds that guests get; 0 means 43200.
	DHCPLease int
	// ArrivalPatience is how long a host may take to claim a port whose server has arrived, and to translate for it; 0 means 10 s.
	ArrivalPatience time.Duration
	Log             *slog.Logger
}

// Backend is the driver. It implements driver.Backend.
type Backend struct {
	cfg Config
	log *slog.Logger
	nb  *ovsdb.Client
	sb  *ovsdb.Client

	cancel     context.CancelFunc
	background sync.WaitGroup

	// structure guards what ports depend on: ports are ensured concurrently (read lock), while everything a port refers to
	// (networks, subnets, groups) changes alone (write lock), so no port misses a subnet's DHCP answers.
	structure sync.RWMutex
	// resources serialises the work on each single resource.
	resources keyed
}

var _ driver.Backend = (*Backend)(nil)

// Open starts connecting to OVN and returns at once; see Ready.
func Open(cfg Config) *Backend {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.DHCPLease == 0 {
		cfg.DHCPLease = 43200
	}
	if cfg.ArrivalPatience == 0 {
		cfg.ArrivalPatience = arrivalPatience
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &Backend{
		cancel: cancel,
		cfg:    cfg,
		log:    cfg.Log,
		nb:     ovsdb.Open(ovsdb.Config{Database: nb.Database, Endpoints: cfg.Northbound, TLS: cfg.NorthboundTLS, Tables: northbound(), Log: cfg.Log}),
		sb:     ovsdb.Open(ovsdb.Config{Database: sb.Database, Endpoints: cfg.Southbound, TLS: cfg.SouthboundTLS, Tables: sb.Tables(), Log: cfg.Log}),
	}
	b.background.Go(func() { b.followChassis(ctx) })
	return b
}

// northbound are the tables that are followed: found by owner, and floating IPs also by the port they lead to.
func northbound() []ovsdb.Table {
	tables := nb.Tables(ownerKey)
	for i := range tables {
		if tables[i].Row.TableName() == (*nb.NAT)(nil).TableName() {
			tables[i].MoreIndexes = []string{fipPortKey}
		}
	}
	return tables
}

// Ready implements driver.Backend.
func (b *Backend) Ready(ctx context.Context) error {
	if err := b.nb.Ready(ctx); err != nil {
		return unavailable(err)
	}
	return unavailable(b.sb.Ready(ctx))
}

// Close ends the connections.
func (b *Backend) Close() {
	b.cancel()
	b.nb.Close()
	b.sb.Close()
	b.background.Wait()
}

// unavailable marks errors that mean "OVN did not answer".
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ovsdb.ErrClosed) || errors.Is(err, ovsdb.ErrStale) {
		return fmt.Errorf("%w: %w", driver.ErrUnavailable, err)
	}
	return err
}

// keyed is a mutex for each key in use.
type keyed struct {
	mu   sync.Mutex
	held map[string]*entry
}

type entry struct {
	sync.Mutex
	users int
}

// lock takes the key's mutex and returns what releases it.
func (k *keyed) lock(key string) func() {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*entry{}
	}
	e := k.held[key]
	if e == nil {
		e = &entry{}
		k.held[key] = e
	}
	e.users++
	k.mu.Unlock()
	e.Lock()
	return func() {
		e.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if e.users--; e.users == 0 {
			delete(k.held, key)
		}
	}
}
