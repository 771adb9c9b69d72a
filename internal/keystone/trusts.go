package keystone

import (
	"context"
	"errors"
	"slices"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Trust lets one user, the trustee, act with roles that another, the trustor, has on a project.
type Trust = db.Trust

// maxRedelegation is upstream's [trust] max_redelegation_count: how often a trust can be handed on.
const maxRedelegation = 3

// TrustSpec is what a new trust shall be.
type TrustSpec struct {
	TrustorUserID     string       `json:"trustor_user_id"`
	TrusteeUserID     string       `json:"trustee_user_id"`
	ProjectID         string       `json:"project_id"`
	Impersonation     bool         `json:"impersonation"`
	Expires           *string      `json:"expires_at"`
	RemainingUses     *int64       `json:"remaining_uses"`
	Roles             []RoleWanted `json:"roles"`
	AllowRedelegation bool         `json:"allow_redelegation"`
	RedelegationCount *int64       `json:"redelegation_count"`

	Extra Attrs `json:"-"` // members without a column
}

var trustColumns = []string{
	"trustor_user_id", "trustee_user_id", "project_id", "impersonation", "expires_at", "remaining_uses", "roles", "allow_redelegation",
	"redelegation_count", "redelegated_trust_id",
}

// Trust returns a trust that can still be used.
func (s *Service) Trust(ctx context.Context, id string) (*Trust, error) {
	t, err := db.GetTrust(ctx, s.db.Read(ctx), id)
	if err != nil {
		return nil, found(err, "trust", id)
	}
	if t.ExpiresAt != nil && !s.clock.Now().Before(*t.ExpiresAt) || t.RemainingUses != nil && *t.RemainingUses <= 0 {
		return nil, rest.NotFound("Could not find trust: %s.", id)
	}
	return t, nil
}

// TrustRoles returns the roles of a trust.
func (s *Service) TrustRoles(ctx context.Context, t *Trust) ([]*Role, error) {
	roles, err := s.rolesByID(ctx, t.RoleIDs)
	return pick(roles, t.RoleIDs), err
}

// Trusts lists trusts: all, or those of a trustor, or those of a trustee.
func (s *Service) Trusts(ctx context.Context, trustor, trustee string) ([]*Trust, error) {
	o := ListOptions{}
	if trustor != "" {
		o = o.Equals("t.trustor_user_id", trustor)
	} else if trustee != "" {
		o = o.Equals("t.trustee_user_id", trustee)
	}
	return db.ListTrusts(ctx, s.db.Read(ctx), o.on("t.id"))
}

// CreateTrust makes a trust of the user of token by. With a token of another trust that is redelegated: nobody can hand on more than was given.
func (s *Service) CreateTrust(ctx context.Context, by *Token, spec TrustSpec) (*Trust, error) {
	switch {
	case spec.ProjectID != "" && len(spec.Roles) == 0:
		return nil, forbidden("At least one role should be specified")
	case by.User.ID != spec.TrustorUserID:
		return nil, forbidden("The authenticated user should match the trustor")
	case by.Delegated() && by.Trust == nil:
		return nil, forbidden("Redelegation allowed for delegated by trust only")
	}
	if _, err := s.User(ctx, spec.TrusteeUserID); err != nil {
		return nil, err
	}
	t := &Trust{
		ID: s.newID(), TrustorUserID: spec.TrustorUserID, TrusteeUserID: spec.TrusteeUserID, ProjectID: spec.ProjectID,
		Impersonation: spec.Impersonation, RemainingUses: spec.RemainingUses, Extra: spec.Extra.extra(nil, trustColumns...),
	}
	var err error
	if t.RoleIDs, err = s.roleIDs(ctx, spec.Roles); err != nil {
		return nil, err
	}
	var chain []*Trust
	if by.Trust != nil {
		if chain, err = db.TrustPedigree(ctx, s.db.Read(ctx), by.Trust.ID); err != nil {
			return nil, err
		}
	}
	if err := s.checkTrustorRoles(ctx, t, chain); err != nil {
		return nil, err
	}
	if spec.Expires != nil && *spec.Expires == "" {
		return nil, badTime()
	}
	if t.ExpiresAt, err = s.ParseExpiry(spec.Expires); err != nil {
		return nil, err
	}
	if err := redelegate(t, spec, chain); err != nil {
		return nil, err
	}
	return t, s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Insert(ctx, tx, t)
		if store.IsForeignKey(err) {
			return rest.NotFound("Could not find project: %s.", t.ProjectID)
		}
		return err
	})
}

// forbidden is upstream's ForbiddenAction.
func forbidden(action string) error {
	return rest.Forbidden("You are not authorized to perform the requested action: %s.", action)
}

// checkTrustorRoles demands that the first trustor of the chain has the roles to be given, on the project.
func (s *Service) checkTrustorRoles(ctx context.Context, t *Trust, chain []*Trust) error {
	trustor := t.TrustorUserID
	if len(chain) > 0 {
		trustor = chain[len(chain)-1].TrustorUserID
	}
	var has []db.RoleName
	if t.ProjectID != "" {
		if _, err := s.Project(ctx, t.ProjectID); err != nil {
			return err
		}
		var err error
		if has, err = db.EffectiveRoles(ctx, s.db.Read(ctx), trustor, db.Scope{ProjectID: t.ProjectID}); err != nil {
			return err
		}
	}
	for _, id := range t.RoleIDs {
		if !slices.ContainsFunc(has, func(r db.RoleName) bool { return r.ID == id }) {
			return rest.NotFound("Could not find role: %s.", id)
		}
	}
	return nil
}

// redelegate decides how often a new trust can be handed on, and checks it against those it is handed on from
// (https://docs.openstack.org/api-ref/identity/v3-ext/#os-trust-api, "Redelegating trusts").
func redelegate(t *Trust, spec TrustSpec, chain []*Trust) error {
	asked := spec.RedelegationCount
	again := spec.AllowRedelegation && (asked == nil || *asked != 0)
	switch {
	case !again:
		if len(chain) == 0 && t.RemainingUses != nil && *t.RemainingUses <= 0 {
			return rest.BadRequest("remaining_uses must be a positive integer or null.")
		}
	case asked != nil && *asked > maxRedelegation:
		return rest.Forbidden("Requested redelegation depth of %d is greater than allowed %d", *asked, maxRedelegation)
	case t.RemainingUses != nil:
		return rest.BadRequest("remaining_uses must not be set if redelegation is allowed")
	}
	depth := int64(maxRedelegation)
	if len(chain) > 0 {
		depth = chain[0].RedelegationCount - 1
		t.RedelegatedTrustID = chain[0].ID
		if again && asked != nil && *asked != depth {
			return rest.Forbidden("Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting this parameter is advised.")
		}
	}
	switch {
	case !again:
		t.RedelegationCount = 0
	case asked != nil:
		t.RedelegationCount = *asked
	default:
		t.RedelegationCount = depth
	}
	for _, from := range chain {
		if err := narrower(t, from); err != nil {
			return err
		}
	}
	return nil
}

// narrower demands that a trust gives nothing that the one it is handed on from has not.
func narrower(t, from *Trust) error {
	switch {
	case from.RedelegationCount <= 0 || from.RedelegationCount > maxRedelegation:
		return rest.Forbidden("Remaining redelegation depth of %d out of allowed range of [0..%d]", from.RedelegationCount, maxRedelegation)
	case t.RemainingUses != nil:
		return rest.Forbidden("Field \"remaining_uses\" is set to %d while it must not be set in order to redelegate a trust", *t.RemainingUses)
	case from.ExpiresAt != nil && t.ExpiresAt != nil && from.ExpiresAt.Before(*t.ExpiresAt):
		return rest.Forbidden("Requested expiration time is more than redelegated trust can provide")
	case slices.ContainsFunc(t.RoleIDs, func(id string) bool { return !slices.Contains(from.RoleIDs, id) }):
		return rest.Forbidden("Some of requested roles are not in redelegated trust")
	case t.Impersonation && !from.Impersonation:
		return rest.Forbidden("Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust id: %s",
			from.ID)
	}
	if t.ExpiresAt == nil {
		t.ExpiresAt = from.ExpiresAt
	}
	return nil
}

// DeleteTrust ends a trust and those that were handed on from it. Their tokens are worth nothing from then on.
func (s *Service) DeleteTrust(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		return found(db.Delete(ctx, tx, &Trust{ID: id}), "trust", id)
	})
}

// scopeToTrust makes a login one of the trustee of a trust.
func (s *Service) scopeToTrust(ctx context.Context, userID, trustID string) (*Trust, error) {
	t, err := s.Trust(ctx, trustID)
	if rest.IsNotFound(err) {
		return nil, Unauthorized(err)
	}
	if err != nil {
		return nil, err
	}
	if t.TrusteeUserID != userID {
		return nil, rest.Forbidden("User is not a trustee.")
	}
	return t, nil
}

// useTrust counts a token that was made from a trust with a limited number of them.
func (s *Service) useTrust(ctx context.Context, t *Trust) error {
	if t == nil || t.RemainingUses == nil {
		return nil
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		ok, err := db.UseTrust(ctx, tx, t.ID)
		if err == nil && !ok {
			return Unauthorized(errors.New("no remaining uses for trust " + t.ID))
		}
		return err
	})
}
