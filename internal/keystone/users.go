package keystone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

var userColumns = []string{
	"name", "domain_id", "enabled", "default_project_id", "password", "original_password", "password_expires_at", "options", "federated",
}

// User returns a user.
func (s *Service) User(ctx context.Context, id string) (*User, error) {
	u, err := db.GetUser(ctx, s.db.Read(ctx), id)
	if err != nil {
		return nil, found(err, "user", id)
	}
	return s.asActive(u)[0], nil
}

// asActive shows users who have not been there for too long as disabled.
func (s *Service) asActive(list ...*User) []*User {
	for _, u := range list {
		u.Enabled = u.Enabled && !s.Inactive(u)
	}
	return list
}

// Users lists users.
func (s *Service) Users(ctx context.Context, o ListOptions) ([]*User, error) {
	list, err := db.ListUsers(ctx, s.db.Read(ctx), o.on("u.id"))
	return s.asActive(list...), err
}

// CreateUser makes a user. A null or absent password makes one who cannot log in with a password.
func (s *Service) CreateUser(ctx context.Context, a Attrs, password secret.String) (*User, error) {
	now := s.clock.Now()
	u := &User{ID: s.newID(), Enabled: true, CreatedAt: now, Options: a.options(nil), Extra: a.extra(nil, userColumns...)}
	if err := a.name(&u.Name); err != nil {
		return nil, err
	}
	a.text("domain_id", &u.DomainID)
	a.text("default_project_id", &u.DefaultProjectID)
	a.flag("enabled", &u.Enabled)
	if err := s.checkNewPassword(password); err != nil {
		return nil, err
	}
	if err := s.setPassword(ctx, u, password); err != nil {
		return nil, err
	}
	u.MustChange = s.mustChange(u)
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := getDomain(ctx, s, u.DomainID); err != nil {
			return err
		}
		if err := s.checkDefaultProject(ctx, u.DefaultProjectID); err != nil {
			return err
		}
		return taken(db.Insert(ctx, tx, u), "user", u.Name, u.DomainID)
	})
	return u, err
}

// setPassword hashes outside any transaction: it takes a quarter of a second.
func (s *Service) setPassword(ctx context.Context, u *User, p secret.String) error {
	if p.Empty() {
		return nil
	}
	hash, err := s.passwords.Hash(ctx, p)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	u.PasswordHash, u.PasswordCreatedAt, u.PasswordExpiresAt = hash, &now, s.expiry(now, u.Options)
	return nil
}

// mustChange tells whether a password that somebody else set is good only for setting another.
func (s *Service) mustChange(u *User) bool {
	return s.rules.ChangeUponFirstUse && u.PasswordHash != "" && !optionOn(u.Options, "ignore_change_password_upon_first_use")
}

// checkDefaultProject: a user's default project cannot be a domain; that it exists is not demanded.
func (s *Service) checkDefaultProject(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	p, err := db.GetProject(ctx, s.db.Read(ctx), id)
	if err == nil && p.IsDomain {
		return rest.BadRequest("User's default project ID cannot be a domain ID: %s", id)
	}
	if store.IsNotFound(err) {
		return nil
	}
	return err
}

// taken explains a name that is in use.
func taken(err error, kind, name, domainID string) error {
	if store.IsUnique(err) {
		return duplicate(kind, name, domainID)
	}
	return err
}

// UpdateUser changes a user. A new password, and being disabled, end all tokens of the user.
func (s *Service) UpdateUser(ctx context.Context, id string, a Attrs, password secret.String) (*User, error) {
	if err := s.checkNewPassword(password); err != nil {
		return nil, err
	}
	var hashed User
	if err := s.setPassword(ctx, &hashed, password); err != nil {
		return nil, err
	}
	var u *User
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if u, err = db.GetUser(ctx, tx, id); err != nil {
			return found(err, "user", id)
		}
		if err := a.matchID(id); err != nil {
			return err
		}
		if err := a.matchDomain(u.DomainID); err != nil {
			return err
		}
		if err := a.name(&u.Name); err != nil {
			return err
		}
		was := u.Enabled
		a.flag("enabled", &u.Enabled)
		a.text("default_project_id", &u.DefaultProjectID)
		if _, named := a["default_project_id"]; named {
			if err := s.checkDefaultProject(ctx, u.DefaultProjectID); err != nil {
				return err
			}
		}
		u.Options, u.Extra = a.options(u.Options), a.extra(u.Extra, userColumns...)
		if v, named := a["password"]; named && v == nil {
			u.PasswordHash, u.PasswordCreatedAt, u.PasswordExpiresAt = "", nil, nil
		}
		if hashed.PasswordHash != "" {
			if err := s.rememberPassword(ctx, tx, u, u.PasswordHash); err != nil {
				return err
			}
			s.takePassword(u, &hashed)
			u.MustChange = s.mustChange(u)
		}
		if !was && u.Enabled { // who is enabled again may come back
			today := s.clock.Now().Truncate(day)
			u.LastActiveAt = &today
		}
		if err := taken(db.Update(ctx, tx, u), "user", u.Name, u.DomainID); err != nil {
			return err
		}
		if hashed.PasswordHash != "" || was && !u.Enabled {
			return s.revokeUsers(ctx, tx, id)
		}
		return nil
	})
	return u, err
}

// DeleteUser removes a user with all grants and memberships. The user's tokens are worth nothing from then on.
func (s *Service) DeleteUser(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := db.DeleteAssignmentsOfActor(ctx, tx, db.ActorUser, id); err != nil {
			return err
		}
		if err := db.DeleteCredentialsOf(ctx, tx, id, ""); err != nil {
			return err
		}
		return found(db.Delete(ctx, tx, &User{ID: id}), "user", id)
	})
}

// ChangePassword lets users change their own password by proving that they know it. It needs no token, so that an expired password can be
// changed. It ends all tokens of the user.
func (s *Service) ChangePassword(ctx context.Context, id string, original, password secret.String) error {
	u, err := db.GetUser(ctx, s.db.Read(ctx), id)
	if err != nil && !store.IsNotFound(err) {
		return err
	}
	hash := ""
	if err == nil && u.Enabled && !s.locked(u) {
		hash = u.PasswordHash
	}
	known := err == nil
	right, err := s.passwords.Verify(ctx, hash, original)
	if err != nil {
		return err
	}
	if !right && known && hash != "" {
		if err := s.noteFailure(ctx, u); err != nil {
			return err
		}
	}
	if !right {
		return Unauthorized(fmt.Errorf("wrong password for the change of user %q's password", id))
	}
	if optionOn(u.Options, "lock_password") {
		return rest.BadRequest("Password validation error: Password is locked and cannot be changed.")
	}
	if err := s.checkAge(u); err != nil {
		return err
	}
	if err := s.checkNewPassword(password); err != nil {
		return err
	}
	if err := s.checkHistory(ctx, u, password); err != nil {
		return err
	}
	var fresh User
	if err := s.setPassword(ctx, &fresh, password); err != nil {
		return err
	}
	if fresh.PasswordHash == "" {
		return rest.BadRequest("Password validation error: The new password must not be empty.")
	}
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		u, err := db.GetUser(ctx, tx, id)
		switch {
		case store.IsNotFound(err) || err == nil && u.PasswordHash != hash:
			return Unauthorized(errors.New("the user changed meanwhile"))
		case err != nil:
			return err
		}
		if err := s.rememberPassword(ctx, tx, u, u.PasswordHash); err != nil {
			return err
		}
		s.takePassword(u, &fresh)
		u.MustChange = false
		if err := db.Update(ctx, tx, u); err != nil {
			return err
		}
		return s.revokeUsers(ctx, tx, id)
	})
}

// takePassword gives a user a password that was hashed before. Wrong ones before it do not count any more.
func (s *Service) takePassword(u, hashed *User) {
	u.PasswordHash, u.PasswordCreatedAt = hashed.PasswordHash, hashed.PasswordCreatedAt
	u.PasswordExpiresAt = s.expiry(*hashed.PasswordCreatedAt, u.Options)
	u.FailedCount, u.FailedAt = 0, nil
}

// PasswordExpiry writes when a password expires as upstream does, or nil.
func PasswordExpiry(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}
