package neutron

import (
	"context"

	"gostack/internal/neutron/db"
	"gostack/internal/store"
)

// taggable are the resources that can have tags, by collection: their table, and the engine's kind if it hears of each revision.
var taggable = map[string]struct{ table, kind string }{
	"networks":        {"neutron_networks", kindNetwork},
	"subnets":         {"neutron_subnets", kindSubnet},
	"ports":           {"neutron_ports", kindPort},
	"routers":         {"neutron_routers", kindRouter},
	"floatingips":     {"neutron_floatingips", ""},
	"security_groups": {"neutron_security_groups", kindSecurityGroup},
	"trunks":          {"neutron_trunks", ""},
	"subnetpools":     {"neutron_subnetpools", ""},
	"policies":        {"neutron_qos_policies", ""},
}

// ChangeTags replaces a resource's tags by what change makes of them.
func (s *Service) ChangeTags(ctx context.Context, collection, id string, change func(tags []string) ([]string, error)) ([]string, error) {
	t, ok := taggable[collection]
	if !ok {
		return nil, missing("TagResourceNotFound", "Resource %s %s could not be found.", collection, id)
	}
	var tags []string
	return tags, s.write(ctx, func(ctx context.Context, u *unit) error {
		std := new(db.Standard)
		err := u.tx.NewSelect().Table(t.table).Column("tags").Where("id = ?", id).Scan(ctx, &std.TagText)
		if store.IsNotFound(err) {
			return missing("TagResourceNotFound", "Resource %s %s could not be found.", collection, id)
		}
		if err != nil {
			return err
		}
		if tags, err = change(std.Tags()); err != nil {
			return err
		}
		if len(tags) > 50 {
			return invalidInput("The number of tags exceeded the per-resource limit of 50")
		}
		std.SetTags(tags)
		if t.kind != "" {
			u.changed(t.kind, id)
		}
		_, err = u.tx.NewUpdate().Table(t.table).Set("tags = ?", std.TagText).Set("revision_number = revision_number + 1").
			Set("updated_at = ?", u.now).Where("id = ?", id).Exec(ctx)
		return err
	})
}
