package keystone

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// AccessRule is a request that an application credential may make.
type AccessRule = db.AccessRule

// ApplicationCredential lets a program act for a user on one project, with some of the user's roles there.
type ApplicationCredential struct {
	*db.ApplicationCredential
	Roles       []*Role
	AccessRules []*AccessRule // meaningful when Restricted
	Secret      secret.String // known only when it was just made
}

// RuleWanted is an access rule in a request: by id, or by what it says.
type RuleWanted struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	Method  string `json:"method"`
	Path    string `json:"path"`
}

// RoleWanted names a role in a request by id or by name.
type RoleWanted struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ApplicationCredentialSpec is what a new application credential shall be.
type ApplicationCredentialSpec struct {
	Name         string        `json:"name"`
	Description  *string       `json:"description"`
	Secret       secret.String `json:"secret"` // empty: one is made
	Unrestricted bool          `json:"unrestricted"`
	Roles        []RoleWanted  `json:"roles"`        // none: those of the token
	AccessRules  []RuleWanted  `json:"access_rules"` // nil: any request
	Expires      *string       `json:"expires_at"`
}

func invalidCredential(detail string) error {
	return rest.BadRequest("Invalid application credential: %s", detail)
}

// ApplicationCredentials lists those of a user.
func (s *Service) ApplicationCredentials(ctx context.Context, userID string, o ListOptions) ([]*ApplicationCredential, error) {
	rows, err := db.ListApplicationCredentials(ctx, s.db.Read(ctx), o.Equals("c.user_id", userID).on("c.id"))
	if err != nil {
		return nil, err
	}
	return s.withParts(ctx, rows)
}

// ApplicationCredential returns one.
func (s *Service) ApplicationCredential(ctx context.Context, id string) (*ApplicationCredential, error) {
	row, err := db.GetApplicationCredential(ctx, s.db.Read(ctx), id)
	if err != nil {
		return nil, found(err, "Application Credential", id)
	}
	list, err := s.withParts(ctx, []*db.ApplicationCredential{row})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// withParts looks up the roles and access rules of some application credentials.
func (s *Service) withParts(ctx context.Context, rows []*db.ApplicationCredential) ([]*ApplicationCredential, error) {
	var ids, roleIDs []string
	for _, r := range rows {
		roleIDs = append(roleIDs, r.RoleIDs...)
		if r.Restricted {
			ids = append(ids, r.ID)
		}
	}
	rules, err := db.AccessRulesOf(ctx, s.db.Read(ctx), ids)
	if err != nil {
		return nil, err
	}
	roles, err := s.rolesByID(ctx, roleIDs)
	if err != nil {
		return nil, err
	}
	out := make([]*ApplicationCredential, len(rows))
	for i, r := range rows {
		out[i] = &ApplicationCredential{ApplicationCredential: r, AccessRules: rules[r.ID], Roles: pick(roles, r.RoleIDs)}
	}
	return out, nil
}

func (s *Service) rolesByID(ctx context.Context, ids []string) (map[string]*Role, error) {
	out := map[string]*Role{}
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := db.ListRoles(ctx, s.db.Read(ctx), db.WithIDs("r.id", ids))
	for _, r := range rows {
		out[r.ID] = r
	}
	return out, err
}

// pick returns the roles of some ids that still exist.
func pick(roles map[string]*Role, ids []string) []*Role {
	out := []*Role{}
	for _, id := range ids {
		if r := roles[id]; r != nil {
			out = append(out, r)
		}
	}
	return out
}

// roleIDs turns roles named in a request into ids.
func (s *Service) roleIDs(ctx context.Context, wanted []RoleWanted) ([]string, error) {
	var ids []string
	for _, w := range wanted {
		id := w.ID
		if id == "" {
			list, err := db.ListRoles(ctx, s.db.Read(ctx), func(q *db.Select) { q.Where("r.name = ?", w.Name) })
			switch {
			case err != nil:
				return nil, err
			case len(list) == 0:
				return nil, rest.NotFound("Could not find role: %s.", w.Name)
			case len(list) > 1:
				return nil, rest.BadRequest("There is more than one role named %s; name it by id.", w.Name)
			}
			id = list[0].ID
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// ParseExpiry reads when something shall end, which must be later than now; nil is never (keystone/common/utils.py, parse_expiration_date).
func (s *Service) ParseExpiry(text *string) (*time.Time, error) {
	if text == nil || *text == "" {
		return nil, nil //nolint:nilnil // never
	}
	at, err := rest.ParseTime(*text)
	if err != nil {
		return nil, badTime()
	}
	if !s.clock.Now().Before(at) {
		return nil, rest.BadRequest("The 'expires_at' must not be before now. The server could not comply with the request since it is either " +
			"malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	return &at, nil
}

func badTime() error {
	return rest.BadRequest("Timestamp not in expected format. The server could not comply with the request since it is either " +
		"malformed or otherwise incorrect. The client is assumed to be in error.")
}

// CreateApplicationCredential makes an application credential for the user and project of a token, with no more roles than the token has.
func (s *Service) CreateApplicationCredential(ctx context.Context, t *Token, spec ApplicationCredentialSpec) (*ApplicationCredential, error) {
	row := &db.ApplicationCredential{
		ID: s.newID(), UserID: t.User.ID, ProjectID: t.Payload.ProjectID, Name: spec.Name, Description: spec.Description,
		Unrestricted: spec.Unrestricted, Restricted: spec.AccessRules != nil,
	}
	var err error
	if row.RoleIDs, err = s.roleIDs(ctx, spec.Roles); err != nil {
		return nil, err
	}
	for _, id := range row.RoleIDs {
		if !t.hasRole(id) {
			return nil, invalidCredential("Cannot create an application credential with unassigned role")
		}
	}
	if len(row.RoleIDs) == 0 {
		for _, r := range t.Roles {
			row.RoleIDs = append(row.RoleIDs, r.ID)
		}
	}
	if row.ExpiresAt, err = s.ParseExpiry(spec.Expires); err != nil {
		return nil, err
	}
	words := spec.Secret
	if words.Empty() {
		var b [64]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		words = secret.New(base64.RawURLEncoding.EncodeToString(b[:]))
	}
	if row.SecretHash, err = s.passwords.Hash(ctx, words); err != nil {
		return nil, err
	}
	c := &ApplicationCredential{ApplicationCredential: row, Secret: words}
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := taken(db.Insert(ctx, tx, row), "application_credential", row.Name, ""); err != nil {
			return err
		}
		c.AccessRules, err = s.storeRules(ctx, tx, row, spec.AccessRules)
		return err
	})
	if err != nil {
		return nil, err
	}
	roles, err := s.rolesByID(ctx, row.RoleIDs)
	c.Roles = pick(roles, row.RoleIDs)
	return c, err
}

func (t *Token) hasRole(id string) bool {
	return slices.ContainsFunc(t.Roles, func(r db.RoleName) bool { return r.ID == id })
}

// storeRules ties access rules to an application credential. A rule that says what an older one of the user says is that one.
func (s *Service) storeRules(ctx context.Context, tx store.Tx, of *db.ApplicationCredential, wanted []RuleWanted) ([]*AccessRule, error) {
	have, err := db.ListAccessRules(ctx, tx, func(q *db.Select) { q.Where("a.user_id = ?", of.UserID) })
	if err != nil {
		return nil, err
	}
	out := []*AccessRule{}
	for _, w := range wanted {
		i := slices.IndexFunc(have, func(r *AccessRule) bool {
			if w.ID != "" && w.Service == "" && w.Method == "" && w.Path == "" {
				return r.ID == w.ID
			}
			return r.Service == w.Service && r.Method == w.Method && r.Path == w.Path
		})
		if i < 0 {
			if w.Service == "" || w.Method == "" || w.Path == "" {
				return nil, rest.NotFound("Could not find Access Rule: %s.", w.ID)
			}
			r := &AccessRule{ID: s.newID(), UserID: of.UserID, Service: w.Service, Method: w.Method, Path: w.Path}
			if err := db.Insert(ctx, tx, r); err != nil {
				return nil, err
			}
			have = append(have, r)
			i = len(have) - 1
		}
		if slices.Contains(out, have[i]) {
			continue
		}
		out = append(out, have[i])
		if err := db.Insert(ctx, tx, &db.RuleOfCredential{ApplicationCredentialID: of.ID, AccessRuleID: have[i].ID}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// DeleteApplicationCredential removes one. Its tokens are worth nothing from then on.
func (s *Service) DeleteApplicationCredential(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		return found(db.Delete(ctx, tx, &db.ApplicationCredential{ID: id}), "Application Credential", id)
	})
}

// AccessRules lists the access rules of a user.
func (s *Service) AccessRules(ctx context.Context, userID string, o ListOptions) ([]*AccessRule, error) {
	return db.ListAccessRules(ctx, s.db.Read(ctx), o.Equals("a.user_id", userID).on("a.id"))
}

// AccessRule returns an access rule of a user; somebody else's does not exist for that user (OSSN-0102).
func (s *Service) AccessRule(ctx context.Context, userID, id string) (*AccessRule, error) {
	r, err := db.GetAccessRule(ctx, s.db.Read(ctx), id)
	if store.IsNotFound(err) || err == nil && r.UserID != userID {
		return nil, rest.NotFound("Could not find Access Rule: %s.", id)
	}
	return r, err
}

// DeleteAccessRule removes an access rule that no application credential uses.
func (s *Service) DeleteAccessRule(ctx context.Context, userID, id string) error {
	if _, err := s.AccessRule(ctx, userID, id); err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Delete(ctx, tx, &db.AccessRule{ID: id})
		if store.IsForeignKey(err) {
			return rest.Forbidden("Cannot delete access rule %s since it is used by one or more application credentials", id)
		}
		return found(err, "Access Rule", id)
	})
}

// ApplicationCredentialLogin names an application credential, by id or by its user's and its own name, and proves that one has its secret.
type ApplicationCredentialLogin struct {
	ID, Name string
	User     PasswordLogin // with a name
	Secret   secret.String
}

// proveApplicationCredential lets the user of an application credential in. Like a wrong password, whatever is wrong is one 401.
func (s *Service) proveApplicationCredential(ctx context.Context, l *ApplicationCredentialLogin, who *proof) (*db.UserInDomain, error) {
	var c *db.ApplicationCredential
	var err error
	if l.ID != "" {
		c, err = db.GetApplicationCredential(ctx, s.db.Read(ctx), l.ID)
	} else {
		var u *db.UserInDomain
		if u, err = db.FindUser(ctx, s.db.Read(ctx), l.User.key()); err == nil {
			c, err = db.ApplicationCredentialByName(ctx, s.db.Read(ctx), u.ID, l.Name)
		}
	}
	hash := ""
	switch {
	case store.IsNotFound(err):
	case err != nil:
		return nil, err
	case c.ExpiresAt == nil || s.clock.Now().Before(*c.ExpiresAt):
		hash = c.SecretHash
	}
	right, err := s.passwords.Verify(ctx, hash, l.Secret)
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, Unauthorized(errors.New("no such application credential, expired, or wrong secret"))
	}
	u, err := db.FindUser(ctx, s.db.Read(ctx), db.UserKey{ID: c.UserID})
	if store.IsNotFound(err) || err == nil && (!u.Enabled || !u.DomainEnabled) {
		return nil, Unauthorized(errors.New("the user of the application credential is disabled"))
	}
	who.credential = c
	return u, err
}
