package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// DomainOption is a row of keystone_domain_options.
type DomainOption struct {
	bun.BaseModel `bun:"keystone_domain_options,alias:o"`

	DomainID string `bun:"domain_id,pk"`
	Group    string `bun:"option_group,pk"`
	Name     string `bun:"option_name,pk"`
	Value    JSON   `bun:"value"`
}

// DomainOptions lists the options of a domain, of a group and name if these are not empty.
func DomainOptions(ctx context.Context, h bun.IDB, domainID, group, name string) ([]*DomainOption, error) {
	var out []*DomainOption
	q := h.NewSelect().Model(&out).Where("o.domain_id = ?", domainID).Order("option_group", "option_name")
	if group != "" {
		q.Where("o.option_group = ?", group)
	}
	if name != "" {
		q.Where("o.option_name = ?", name)
	}
	return out, q.Scan(ctx)
}

// SetDomainOption stores an option in place of the one there is.
func SetDomainOption(ctx context.Context, tx store.Tx, o *DomainOption) error {
	_, err := tx.NewInsert().Model(o).On("CONFLICT (domain_id, option_group, option_name) DO UPDATE").Set("value = EXCLUDED.value").Exec(ctx)
	return err
}

// DeleteDomainOptions removes options as DomainOptions names them.
func DeleteDomainOptions(ctx context.Context, tx store.Tx, domainID, group, name string) error {
	q := tx.NewDelete().Model((*DomainOption)(nil)).Where("domain_id = ?", domainID)
	if group != "" {
		q.Where("option_group = ?", group)
	}
	if name != "" {
		q.Where("option_name = ?", name)
	}
	_, err := q.Exec(ctx)
	return err
}
