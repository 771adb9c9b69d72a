package ovn

import (
	"context"
	"slices"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/neutron/driver"
)

const (
	// downAfter is upstream's agent_down_time: who was heard of within it is alive.
	downAfter = 75 * time.Second
	// askAfter is when a silent host is asked; a living one has then time to answer before it counts as dead.
	askAfter = downAfter / 2
	// patience is how long one call waits for the answers.
	patience = 2 * time.Second
)

// Chassis implements driver.Backend. To ask the hosts, the Northbound database's configuration number is raised: every ovn-controller
// answers with it as soon as it has applied everything up to there, and metadata agents do the same.
func (b *Backend) Chassis(ctx context.Context) ([]driver.Chassis, error) {
	sub := b.sb.Subscribe("Chassis_Private")
	defer sub.Cancel()
	all, err := b.chassis(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	silent := func(c driver.Chassis) bool { return now.Sub(c.LastSeen) > askAfter || c.MetadataAgent }
	if !slices.ContainsFunc(all, silent) {
		return alive(all, now, -1), nil
	}
	asked, err := b.ask(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	missing := func(c driver.Chassis) bool {
		return c.Generation < asked || (c.MetadataAgent && c.MetadataGeneration < asked)
	}
	for slices.ContainsFunc(all, missing) {
		if _, err := sub.Next(wait); err != nil {
			break // time is up; who answered has answered
		}
		if all, err = b.chassis(ctx); err != nil {
			return nil, err
		}
	}
	return alive(all, now, asked), nil
}

// applied returns when a host has applied everything the Northbound database says now. All hosts answer such a question, so it is for rare
// moments.
func (b *Backend) applied(ctx context.Context, host string) error {
	asked, err := b.ask(ctx)
	if err != nil {
		return err
	}
	return b.until(ctx, "Chassis_Private", func() (bool, error) {
		c, ok, err := b.chassisNamed(ctx, host)
		if err != nil || !ok {
			return false, err
		}
		answers, err := ovsdb.Find(ctx, b.sb, &sb.ChassisPrivate{Name: c.Name})
		return len(answers) == 1 && int64(answers[0].NbCfg) >= asked, err
	})
}

// until waits for something a table of the Southbound database tells, or for the end of ctx.
func (b *Backend) until(ctx context.Context, table string, done func() (bool, error)) error {
	sub := b.sb.Subscribe(table)
	defer sub.Cancel()
	for {
		if ok, err := done(); ok && err == nil {
			return nil
		}
		if _, err := sub.Next(ctx); err != nil {
			return err
		}
	}
}

// ask raises the configuration number and returns it. A database that was never initialised has none: nobody is asked.
func (b *Backend) ask(ctx context.Context) (int64, error) {
	rows, err := ovsdb.List[nb.Global](ctx, b.nb, nil)
	if err != nil || len(rows) != 1 {
		return 0, err
	}
	if err := b.nb.Transact(ctx, ovsdb.Increment("NB_Global", rows[0].UUID, "nb_cfg")); err != nil {
		return 0, err
	}
	g, err := ovsdb.Get[nb.Global](ctx, b.nb, rows[0].UUID)
	if err != nil || g == nil {
		return 0, err
	}
	return int64(g.NbCfg), nil
}

// alive marks who has answered, or was heard of recently. asked is -1 when nobody had to be asked.
func alive(all []driver.Chassis, now time.Time, asked int64) []driver.Chassis {
	for i := range all {
		c := &all[i]
		c.Alive = now.Sub(c.LastSeen) < downAfter || (asked > 0 && c.Generation >= asked)
		c.MetadataAlive = c.MetadataAgent && asked > 0 && c.MetadataGeneration >= asked
	}
	return all
}
