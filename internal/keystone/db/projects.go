package db

import (
	"context"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Project is a row of keystone_projects: a project, or a domain.
type Project struct {
	bun.BaseModel `bun:"keystone_projects,alias:p"`

	ID          string         `bun:"id,pk"`
	Name        string         `bun:"name"`
	DomainID    string         `bun:"domain_id"` // empty for a domain
	ParentID    string         `bun:"parent_id"` // empty for a domain
	IsDomain    bool           `bun:"is_domain"`
	Enabled     bool           `bun:"enabled"`
	Description string         `bun:"description"`
	TagText     string         `bun:"tags"` // ",a,b,": see Tags
	Options     map[string]any `bun:"options"`
	Extra       map[string]any `bun:"extra"`
}

// Tags lists the tags. A tag contains no comma, which is why a comma separates them in the column.
func (p *Project) Tags() []string {
	text := strings.Trim(p.TagText, ",")
	if text == "" {
		return []string{}
	}
	return strings.Split(text, ",")
}

// SetTags replaces the tags.
func (p *Project) SetTags(tags []string) {
	p.TagText = ""
	if len(tags) > 0 {
		p.TagText = "," + strings.Join(tags, ",") + ","
	}
}

// GetProject returns a project or a domain.
func GetProject(ctx context.Context, h bun.IDB, id string) (*Project, error) {
	return get(ctx, h, &Project{ID: id})
}

// ProjectByName returns the project of that name in a domain, or the domain of that name if domainID is empty.
func ProjectByName(ctx context.Context, h bun.IDB, domainID, name string) (*Project, error) {
	p := new(Project)
	err := h.NewSelect().Model(p).Where("p.domain_id = ?", domainID).Where("p.name = ?", name).Scan(ctx)
	return p, err
}

// ProjectIDByName returns the id of the project of that name in a domain that is known by id or, if that is empty, by name.
func ProjectIDByName(ctx context.Context, h bun.IDB, name, domainID, domainName string) (string, error) {
	var id string
	q := h.NewSelect().Model((*Project)(nil)).Column("p.id").Where("p.name = ?", name)
	if domainID != "" {
		q.Where("p.domain_id = ?", domainID)
	} else {
		q.Join("JOIN keystone_projects AS d ON d.id = p.domain_id").Where("d.is_domain").Where("d.name = ?", domainName)
	}
	return id, q.Scan(ctx, &id)
}

// ListProjects runs a list query that narrow has narrowed.
func ListProjects(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Project, error) {
	var out []*Project
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

const ancestors = `WITH RECURSIVE up (id, parent_id, depth) AS (
	SELECT id, parent_id, 0 FROM keystone_projects WHERE id = ?
	UNION ALL
	SELECT p.id, p.parent_id, up.depth + 1 FROM keystone_projects p JOIN up ON p.id = up.parent_id)
`

// Ancestors returns the projects above id, the nearest first, the domain last.
func Ancestors(ctx context.Context, h bun.IDB, id string) ([]*Project, error) {
	var out []*Project
	err := h.NewRaw(ancestors+`SELECT p.* FROM keystone_projects p JOIN up ON up.id = p.id WHERE up.depth > 0 ORDER BY up.depth`, id).
		Scan(ctx, &out)
	return out, err
}

// Descendants returns the projects below id, parents before their children.
func Descendants(ctx context.Context, h bun.IDB, id string) ([]*Project, error) {
	var out []*Project
	err := h.NewRaw(`WITH RECURSIVE down (id, depth) AS (
	SELECT id, 1 FROM keystone_projects WHERE parent_id = ?
	UNION ALL
	SELECT p.id, down.depth + 1 FROM keystone_projects p JOIN down ON p.parent_id = down.id)
SELECT p.* FROM keystone_projects p JOIN down ON down.id = p.id ORDER BY down.depth, p.id`, id).Scan(ctx, &out)
	return out, err
}

// HasChildren tells whether a project has others below it.
func HasChildren(ctx context.Context, h bun.IDB, id string) (bool, error) {
	return h.NewSelect().Model((*Project)(nil)).Where("p.parent_id = ?", id).Exists(ctx)
}

// DeleteDomainContents removes everything that a domain owns, and the domain: users, groups, roles, projects, and the assignments
// of and on them.
func DeleteDomainContents(ctx context.Context, tx store.Tx, domainID string) error {
	const projects = "SELECT id FROM keystone_projects WHERE domain_id = ? OR id = ?"
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{"DELETE FROM keystone_assignments WHERE target_id IN (" + projects + ")", []any{domainID, domainID}},
		{
			"DELETE FROM keystone_assignments WHERE actor_type = 'user' AND actor_id IN (SELECT id FROM keystone_users WHERE domain_id = ?)",
			[]any{domainID},
		},
		{
			"DELETE FROM keystone_assignments WHERE actor_type = 'group' AND actor_id IN (SELECT id FROM keystone_groups WHERE domain_id = ?)",
			[]any{domainID},
		},
		{"UPDATE keystone_users SET default_project_id = '' WHERE default_project_id IN (" + projects + ")", []any{domainID, domainID}},
		{"DELETE FROM keystone_credentials WHERE project_id IN (" + projects + ")", []any{domainID, domainID}},
		{"DELETE FROM keystone_credentials WHERE user_id IN (SELECT id FROM keystone_users WHERE domain_id = ?)", []any{domainID}},
		{"DELETE FROM keystone_users WHERE domain_id = ?", []any{domainID}},
		{"DELETE FROM keystone_groups WHERE domain_id = ?", []any{domainID}},
		{"DELETE FROM keystone_roles WHERE domain_id = ?", []any{domainID}},
		{"DELETE FROM keystone_projects WHERE domain_id = ? OR id = ?", []any{domainID, domainID}},
	} {
		if _, err := tx.NewRaw(s.sql, s.args...).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ProjectAndDomain returns a project and the domain it is in, in any order: two rows, one for a domain, none if there is no such id.
func ProjectAndDomain(ctx context.Context, h bun.IDB, id string) ([]*Project, error) {
	var out []*Project
	err := h.NewSelect().Model(&out).
		Where("p.id = ? OR p.id = (SELECT domain_id FROM keystone_projects WHERE id = ?)", id, id).Scan(ctx)
	return out, err
}
