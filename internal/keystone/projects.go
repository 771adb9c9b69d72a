package keystone

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// MaxTreeDepth is upstream's max_project_tree_depth (5) and one more, because the domain at the top counts too.
const MaxTreeDepth = 6

// federated is the name that upstream reserves for a domain of its own.
const federated = "federated"

var projectColumns = []string{
	"name", "domain_id", "parent_id", "is_domain", "enabled", "description", "tags", "options", "parents", "subtree", "explicit_domain_id",
}

// Project returns a project, or a domain as the project it is.
func (s *Service) Project(ctx context.Context, id string) (*Project, error) {
	p, err := db.GetProject(ctx, s.db.Read(ctx), id)
	return p, found(err, "project", id)
}

// Projects lists projects; domains are left out unless a filter asks for them.
func (s *Service) Projects(ctx context.Context, o ListOptions) ([]*Project, error) {
	return db.ListProjects(ctx, s.db.Read(ctx), o.on("p.id"))
}

// Ancestors lists what is above a project, the nearest first and the domain last.
func (s *Service) Ancestors(ctx context.Context, id string) ([]*Project, error) {
	return db.Ancestors(ctx, s.db.Read(ctx), id)
}

// Descendants lists what is below a project, parents before their children.
func (s *Service) Descendants(ctx context.Context, id string) ([]*Project, error) {
	return db.Descendants(ctx, s.db.Read(ctx), id)
}

// ProjectsOfUser lists the projects on which a user has any role.
func (s *Service) ProjectsOfUser(ctx context.Context, userID string, o ListOptions) ([]*Project, error) {
	return db.ProjectsOfUser(ctx, s.db.Read(ctx), userID, o.on("p.id"))
}

// DomainsOfUser lists the domains on which a user has any role.
func (s *Service) DomainsOfUser(ctx context.Context, userID string, o ListOptions) ([]*Project, error) {
	return db.DomainsOfUser(ctx, s.db.Read(ctx), userID, o.on("p.id"))
}

// CreateProject makes a project, or with is_domain a domain.
func (s *Service) CreateProject(ctx context.Context, a Attrs) (*Project, error) {
	p := &Project{
		ID: s.newID(), Enabled: true, Options: a.options(nil), Extra: a.extra(nil, projectColumns...),
	}
	if err := a.name(&p.Name); err != nil {
		return nil, err
	}
	a.flag("enabled", &p.Enabled)
	a.flag("is_domain", &p.IsDomain)
	a.text("description", &p.Description)
	a.text("domain_id", &p.DomainID)
	a.text("parent_id", &p.ParentID)
	p.SetTags(tagsOf(a["tags"]))
	if p.ParentID == "" {
		p.ParentID = p.DomainID
	}
	if id, ok := a["explicit_domain_id"].(string); ok && p.IsDomain {
		p.ID = id
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if p.IsDomain {
			if err := checkDomain(p); err != nil {
				return err
			}
		} else if err := s.checkPlace(ctx, tx, p); err != nil {
			return err
		}
		return projectTaken(db.Insert(ctx, tx, p), p)
	})
	return p, err
}

func checkDomain(p *Project) error {
	if p.ParentID != "" {
		return rest.BadRequest("only root projects are allowed to act as domains.")
	}
	if strings.ToLower(p.Name) == federated || strings.ToLower(p.ID) == federated {
		return rest.BadRequest("Domain cannot be named %s", p.Name)
	}
	return nil
}

// checkPlace demands that all above a new project exists, is enabled, in one domain, and not too high.
func (s *Service) checkPlace(ctx context.Context, tx store.Tx, p *Project) error {
	domain, err := db.GetProject(ctx, tx, p.DomainID)
	if store.IsNotFound(err) || err == nil && !domain.IsDomain {
		return rest.BadRequest("Could not find domain: %s.", p.DomainID)
	}
	if err != nil {
		return err
	}
	parent, err := db.GetProject(ctx, tx, p.ParentID)
	if store.IsNotFound(err) {
		return rest.BadRequest("Could not find project: %s.", p.ParentID)
	}
	if err != nil {
		return err
	}
	if parent.IsDomain && parent.ID != domain.ID {
		return rest.BadRequest("Cannot create project, the parent (%s) is acting as a domain, but this project's domain id (%s) does not "+
			"match the parent's id.", parent.ID, domain.ID)
	}
	if !parent.IsDomain && parent.DomainID != domain.ID {
		return rest.BadRequest("Cannot create project, since it specifies its domain_id %s, but specifies a parent in a different domain (%s).",
			domain.ID, parent.DomainID)
	}
	above, err := db.Ancestors(ctx, tx, parent.ID)
	if err != nil {
		return err
	}
	above = append([]*Project{parent}, above...)
	for _, a := range above {
		if !a.Enabled {
			return rest.BadRequest("cannot create a project in a branch containing a disabled project: %s", a.ID)
		}
	}
	if len(above)+1 > MaxTreeDepth {
		return rest.Forbidden("Max hierarchy depth reached for %s branch.", parent.ID)
	}
	return nil
}

func projectTaken(err error, p *Project) error {
	switch {
	case !store.IsUnique(err):
		return err
	case p.IsDomain:
		return conflict("project", "it is not permitted to have two projects acting as domains with the same name: %s", p.Name)
	}
	return conflict("project", "it is not permitted to have two projects with either the same name or same id in the same domain: "+
		"name is %s, project id %s", p.Name, p.ID)
}

// UpdateProject changes a project or a domain.
func (s *Service) UpdateProject(ctx context.Context, id string, a Attrs) (*Project, error) {
	var p *Project
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if p, err = db.GetProject(ctx, tx, id); err != nil {
			return found(err, "project", id)
		}
		return s.updateProject(ctx, tx, p, a)
	})
	return p, err
}

func (s *Service) updateProject(ctx context.Context, tx store.Tx, p *Project, a Attrs) error {
	kind := "project"
	if p.IsDomain {
		kind = "domain"
	}
	if err := a.matchID(p.ID); err != nil {
		return err
	}
	if err := a.matchDomain(p.DomainID); err != nil {
		return err
	}
	if err := checkImmutableUpdate(kind, p.ID, p.Options, a); err != nil {
		return err
	}
	if v, ok := a["parent_id"]; ok && v != p.ParentID && !(v == nil && p.ParentID == "") {
		return rest.Forbidden("Update of `parent_id` is not allowed.")
	}
	if v, ok := a["is_domain"].(bool); ok && v != p.IsDomain {
		return rest.BadRequest("Update of `is_domain` is not allowed.")
	}
	was := p.Enabled
	a.flag("enabled", &p.Enabled)
	if err := s.checkEnabled(ctx, tx, p, was); err != nil {
		return err
	}
	if err := a.name(&p.Name); err != nil {
		return err
	}
	if p.IsDomain {
		if err := checkDomain(p); err != nil {
			return err
		}
	}
	a.text("description", &p.Description)
	if tags, ok := a["tags"]; ok {
		p.SetTags(tagsOf(tags))
	}
	p.Options, p.Extra = a.options(p.Options), a.extra(p.Extra, projectColumns...)
	return projectTaken(db.Update(ctx, tx, p), p)
}

// checkEnabled: a project is enabled below enabled ones only, and disabled only when all below it are. A domain may be disabled at any
// time: that disables what it holds in effect.
func (s *Service) checkEnabled(ctx context.Context, tx store.Tx, p *Project, was bool) error {
	switch {
	case was == p.Enabled || p.IsDomain:
		return nil
	case p.Enabled:
		above, err := db.Ancestors(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(above, func(a *Project) bool { return !a.Enabled }) {
			return rest.Forbidden("Cannot enable project %s since it has disabled parents", p.ID)
		}
	default:
		below, err := db.Descendants(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(below, func(a *Project) bool { return a.Enabled }) {
			return rest.Forbidden("Cannot disable project %s since its subtree contains enabled projects.", p.ID)
		}
	}
	return nil
}

// DeleteProject removes a project that has none below it, with the grants on it. A domain goes with all it holds.
func (s *Service) DeleteProject(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		p, err := db.GetProject(ctx, tx, id)
		if err != nil {
			return found(err, "project", id)
		}
		if p.IsDomain {
			return s.deleteDomain(ctx, tx, p)
		}
		if err := checkImmutableDelete("project", id, p.Options); err != nil {
			return err
		}
		parent, err := db.HasChildren(ctx, tx, id)
		if err != nil {
			return err
		}
		if parent {
			return rest.Forbidden("Cannot delete the project %s since it is not a leaf in the hierarchy. Use the cascade option if you want "+
				"to delete a whole subtree.", id)
		}
		if err := db.DeleteAssignmentsOnTarget(ctx, tx, id); err != nil {
			return err
		}
		if err := db.ForgetDefaultProject(ctx, tx, id); err != nil {
			return err
		}
		if err := db.DeleteCredentialsOf(ctx, tx, "", id); err != nil {
			return err
		}
		return db.Delete(ctx, tx, p)
	})
}

// tagsOf reads a list of tags, trimmed and each once.
func tagsOf(v any) []string {
	list, _ := v.([]any)
	var tags []string
	for _, e := range list {
		if t, ok := e.(string); ok && !slices.Contains(tags, strings.TrimSpace(t)) {
			tags = append(tags, strings.TrimSpace(t))
		}
	}
	return tags
}
