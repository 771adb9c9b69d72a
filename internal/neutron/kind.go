package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// Kind is a resource of which each is one row with standard attributes. What all of them have in common (who sees them, quota,
// sharing, revisions) is done here; a declaration adds its real rules. T is the row's type.
type Kind[T any, R rowOf[T]] struct {
	s      *Service
	absent func(id string) error
	// quota names the resource in the table of quotas; empty: there is none.
	quota string
	// list reads rows; nil: those of the table and nothing else.
	list func(ctx context.Context, h bun.IDB, q db.Query) ([]*T, error)
	// rbac is the object type that RBAC policies share it as; empty: it cannot be shared.
	rbac string
	// seen narrows what others than administrators see; nil: their project's, and what is shared with it.
	seen func(c *policy.Caller) db.Cond
	// create fills a new row, whose standard attributes are set, and checks what it is made of.
	create func(ctx context.Context, u *unit, c *policy.Caller, row *T, v attr.Values) error
	// update changes a row; nil: only name and description change.
	update func(ctx context.Context, u *unit, c *policy.Caller, row *T, v attr.Values) error
	// remove fails for what is in use and removes what hangs on it; nil: nothing does.
	remove func(ctx context.Context, u *unit, row *T) error
	// stored runs when a new or changed row is stored.
	stored func(ctx context.Context, u *unit, row *T) error
}

// rowOf is a pointer to T that is a row.
type rowOf[T any] interface {
	*T
	db.Row
}

// List returns the page of a query that a caller sees.
func (k Kind[T, R]) List(ctx context.Context, c *policy.Caller, q db.Query) ([]*T, error) {
	q.Project = c.ProjectID
	if !c.IsAdmin() {
		switch {
		case k.seen != nil:
			q = q.And(k.seen(c))
		case k.rbac != "":
			q = q.And(db.Or(db.Where("t.project_id = ?", c.ProjectID), db.SharedWith("t.id", db.AccessAsShared, c.ProjectID)))
		default:
			q = q.And(db.Where("t.project_id = ?", c.ProjectID))
		}
	}
	return k.rows(ctx, k.s.DB.Read(ctx), q)
}

func (k Kind[T, R]) rows(ctx context.Context, h bun.IDB, q db.Query) ([]*T, error) {
	switch {
	case k.list != nil:
		return k.list(ctx, h, q)
	case k.rbac != "":
		return db.Sharable[T](ctx, h, q)
	}
	return db.Plain[T](ctx, h, q)
}

// one returns a row as a project sees it, with what list adds.
func (k Kind[T, R]) one(ctx context.Context, u *unit, id, project string) (*T, error) {
	rows, err := k.rows(ctx, u.tx, db.ByID(id, project))
	if err == nil && len(rows) == 0 {
		err = k.absent(id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// visible returns a row that a caller may use: his own or one that is shared with his project. No caller is Neutron itself.
func (k Kind[T, R]) visible(ctx context.Context, u *unit, c *policy.Caller, id string) (*T, error) {
	q := db.ByID(id, "")
	if c != nil && !c.IsAdmin() {
		q.Project = c.ProjectID
		own := db.Where("t.project_id = ?", c.ProjectID)
		if k.rbac != "" {
			own = db.Or(own, db.SharedWith("t.id", db.AccessAsShared, c.ProjectID))
		}
		q = q.And(own)
	}
	rows, err := k.rows(ctx, u.tx, q)
	if err == nil && len(rows) == 0 {
		err = k.absent(id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// Create makes a resource of the project that v names.
func (k Kind[T, R]) Create(ctx context.Context, c *policy.Caller, v attr.Values) (*T, error) {
	var row *T
	return row, k.s.write(ctx, func(ctx context.Context, u *unit) error {
		row = new(T)
		b := R(row).Base()
		b.ID, b.ProjectID, b.Description = k.s.newID(), v.String("project_id"), v.String("description")
		b.SetTags(v.Strings("tags"))
		if k.quota != "" {
			if err := u.checkQuota(ctx, b.ProjectID, k.quota, 1); err != nil {
				return err
			}
		}
		if err := k.create(ctx, u, c, row, v); err != nil {
			return err
		}
		if err := u.create(ctx, R(row), b.ProjectID, b.Description); err != nil {
			return err
		}
		if k.rbac != "" && v.Bool("shared") {
			if err := db.Insert(ctx, u.tx, u.rbac(k.rbac, b.ID, b.ProjectID, db.AccessAsShared, "*")); err != nil {
				return err
			}
		}
		return k.after(ctx, u, row)
	})
}

func (k Kind[T, R]) after(ctx context.Context, u *unit, row *T) error {
	if k.stored == nil {
		return nil
	}
	return k.stored(ctx, u, row)
}

// Update changes what v names.
func (k Kind[T, R]) Update(ctx context.Context, c *policy.Caller, id string, v attr.Values) (*T, error) {
	return k.change(ctx, c, id, func(ctx context.Context, u *unit, row *T) error {
		b := R(row).Base()
		setText(v, "description", &b.Description)
		if k.update != nil {
			return k.update(ctx, u, c, row, v)
		}
		return nil
	})
}

// change runs fn on a row and stores it.
func (k Kind[T, R]) change(ctx context.Context, c *policy.Caller, id string, fn func(ctx context.Context, u *unit, row *T) error) (*T, error) {
	var row *T
	return row, k.s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if row, err = k.one(ctx, u, id, c.ProjectID); err != nil {
			return err
		}
		if err := fn(ctx, u, row); err != nil {
			return err
		}
		if err := u.update(ctx, R(row)); err != nil {
			return err
		}
		return k.after(ctx, u, row)
	})
}

// Delete removes a resource, and the RBAC policies that share it.
func (k Kind[T, R]) Delete(ctx context.Context, _ *policy.Caller, id string) error {
	return k.s.write(ctx, func(ctx context.Context, u *unit) error {
		row, err := k.one(ctx, u, id, "")
		if err != nil {
			return err
		}
		if k.remove != nil {
			if err := k.remove(ctx, u, row); err != nil {
				return err
			}
		}
		if k.rbac != "" {
			if _, err := u.tx.NewDelete().Model((*db.RBACPolicy)(nil)).Where("object_id = ?", id).Exec(ctx); err != nil {
				return err
			}
		}
		return db.Delete(ctx, u.tx, R(row))
	})
}
