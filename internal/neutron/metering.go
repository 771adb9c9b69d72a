package neutron

import (
	"context"
	"net/netip"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// MeteringLabels name traffic that is to be counted (extension metering). They are what telemetry asks for; no engine counts by them.
func (s *Service) MeteringLabels() Kind[db.MeteringLabel, *db.MeteringLabel] {
	return Kind[db.MeteringLabel, *db.MeteringLabel]{
		s: s, absent: MeteringLabelNotFound,
		create: func(_ context.Context, _ *unit, _ *policy.Caller, l *db.MeteringLabel, v attr.Values) error {
			l.Name, l.Shared = v.String("name"), v.Bool("shared")
			return nil
		},
	}
}

// MeteringLabelRules say what traffic a label is about, by direction and addresses.
func (s *Service) MeteringLabelRules() Kind[db.MeteringLabelRule, *db.MeteringLabelRule] {
	return Kind[db.MeteringLabelRule, *db.MeteringLabelRule]{
		s: s, absent: MeteringLabelRuleNotFound,
		create: func(ctx context.Context, u *unit, c *policy.Caller, r *db.MeteringLabelRule, v attr.Values) error {
			r.LabelID, r.Direction, r.Excluded = v.String("metering_label_id"), v.String("direction"), v.Bool("excluded")
			r.RemoteIPPrefix, r.SourceIPPrefix, r.DestinationIPPrefix = v.String("remote_ip_prefix"), v.String("source_ip_prefix"), v.String("destination_ip_prefix")
			switch both := r.SourceIPPrefix != "" || r.DestinationIPPrefix != ""; {
			case r.RemoteIPPrefix != "" && both:
				return invalidInput("Cannot use 'remote-ip-prefix' in conjunction with 'source-ip-prefix' or 'destination-ip-prefix'")
			case r.RemoteIPPrefix == "" && !both:
				return invalidInput("You must define at least one of the following parameters: 'source-ip-prefix', 'destination-ip-prefix' or 'remote-ip-prefix'")
			}
			if _, err := s.MeteringLabels().visible(ctx, u, c, r.LabelID); err != nil {
				return err
			}
			return u.meteredOnce(ctx, r)
		},
	}
}

// meteredOnce fails when another rule of the label is about the same addresses: traffic is counted once.
func (u *unit) meteredOnce(ctx context.Context, r *db.MeteringLabelRule) error {
	others, err := db.Find[db.MeteringLabelRule](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.metering_label_id = ? AND t.direction = ? AND t.excluded = ?", r.LabelID, r.Direction, r.Excluded)
	})
	if err != nil || r.RemoteIPPrefix == "" {
		return err
	}
	mine := netip.MustParsePrefix(r.RemoteIPPrefix)
	for _, o := range others {
		if p, err := netip.ParsePrefix(o.RemoteIPPrefix); err == nil && p.Overlaps(mine) {
			return conflict("MeteringLabelRuleOverlaps", "Metering label rule with remote_ip_prefix '%s' overlaps another.", r.RemoteIPPrefix)
		}
	}
	return nil
}

// MeteringLabelNotFound is a 404.
func MeteringLabelNotFound(id string) error {
	return missing("MeteringLabelNotFound", "Metering label '%s' does not exist.", id)
}

// MeteringLabelRuleNotFound is a 404.
func MeteringLabelRuleNotFound(id string) error {
	return missing("MeteringLabelRuleNotFound", "Metering label rule '%s' does not exist.", id)
}
