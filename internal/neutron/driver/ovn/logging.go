package ovn

import (
	"context"

	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// meterName is the meter that all logged ACLs share, fairly: each may write as much, upstream's rate_limit and burst_limit.
const (
	meterName  = "acl_log_meter"
	meterRate  = 100
	meterBurst = 25
)

// EnsureLogging implements driver.Backend.
func (b *Backend) EnsureLogging(ctx context.Context, l driver.LoggingSpec) error {
	if err := b.ensureDropGroup(ctx); err != nil {
		return err
	}
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.converge(ctx, owner(kindGroup, dropGroupID), func(context.Context) (*plan, error) { return renderDropGroup(&l), nil })
}

// logged has an ACL's decisions written to ovn-controller's log, under the name of a log.
func logged(acl *nb.ACL, log string) {
	if log != "" {
		acl.Log, acl.Name, acl.Severity, acl.Meter = true, ptr(switchName(log)), ptr("info"), ptr(meterName)
	}
}

// logMeter limits what is logged.
func logMeter(p *plan, l *driver.LoggingSpec) {
	if l == nil || !l.On {
		return
	}
	band := rowID("meter_band", meterName)
	p.add(&nb.MeterBand{UUID: band, Action: "drop", Rate: meterRate, BurstSize: meterBurst}, "")
	p.add(&nb.Meter{UUID: rowID("meter", meterName), Name: meterName, Unit: "pktps", Bands: []string{band}, Fair: ptr(true)}, "")
}
