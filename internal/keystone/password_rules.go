package keystone

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// PasswordRules are what upstream's [security_compliance] sets. The zero value asks for nothing.
type PasswordRules struct {
	// Regex is what a new password must match; RegexDescription says it to users.
	Regex            string
	RegexDescription string
	// LockoutAttempts wrong passwords in a row lock an account for LockoutDuration; 0: never.
	LockoutAttempts int
	LockoutDuration time.Duration // 0: until the password is reset
	// ExpiresDays is how long a password is good; 0: for ever.
	ExpiresDays int
	// UniqueLast is how many passwords back, the present one included, a new one must differ from; 0: none.
	UniqueLast int
	// MinimumAgeDays is how long a password must be kept by its user; 0: not at all.
	MinimumAgeDays int
	// InactiveDays without a login disable an account; 0: never.
	InactiveDays int
	// ChangeUponFirstUse has users change a password that somebody else set.
	ChangeUponFirstUse bool
}

const day = 24 * time.Hour

// PasswordRules are the rules in force.
func (s *Service) PasswordRules() PasswordRules { return s.rules }

func (p PasswordRules) compile() (*regexp.Regexp, error) {
	if p.Regex == "" {
		return nil, nil //nolint:nilnil // no rule
	}
	re, err := regexp.Compile(p.Regex)
	if err != nil {
		return nil, fmt.Errorf("password_regex: %w", err)
	}
	return re, nil
}

func invalidPassword(format string, args ...any) error {
	return rest.BadRequest("Password validation error: %s.", rest.Fail(0, format, args...).Message)
}

// checkNewPassword refuses a password that breaks the rule.
func (s *Service) checkNewPassword(p secret.String) error {
	if s.regex == nil || p.Empty() || s.regex.MatchString(p.Reveal()) {
		return nil
	}
	return rest.BadRequest("The password does not match the requirements: %s.", s.rules.RegexDescription)
}

// expiry is when a password that is set now ends, for a user with these options; nil is never.
func (s *Service) expiry(now time.Time, options map[string]any) *time.Time {
	if s.rules.ExpiresDays == 0 || optionOn(options, "ignore_password_expiry") {
		return nil
	}
	at := now.Add(time.Duration(s.rules.ExpiresDays) * day)
	return &at
}

func optionOn(options map[string]any, name string) bool {
	on, _ := options[name].(bool)
	return on
}

// checkHistory refuses a password that the user has had before.
func (s *Service) checkHistory(ctx context.Context, u *User, fresh secret.String) error {
	if s.rules.UniqueLast == 0 || fresh.Empty() {
		return nil
	}
	old, err := db.PasswordHistory(ctx, s.db.Read(ctx), u.ID, s.rules.UniqueLast)
	if err != nil {
		return err
	}
	hashes := append([]string{u.PasswordHash}, old...)
	for _, h := range hashes[:min(len(hashes), s.rules.UniqueLast)] {
		if h == "" {
			continue
		}
		same, err := s.passwords.Verify(ctx, h, fresh)
		if err != nil {
			return err
		}
		if same {
			return invalidPassword("The new password cannot be identical to a previous password. The total number which includes the new password "+
				"must be unique is %d", s.rules.UniqueLast)
		}
	}
	return nil
}

// remember keeps the hash of a password that is being replaced, as long as the rules ask for it.
func (s *Service) rememberPassword(ctx context.Context, tx store.Tx, u *User, old string) error {
	if s.rules.UniqueLast == 0 || old == "" {
		return nil
	}
	return db.KeepPassword(ctx, tx, u.ID, old, s.clock.Now(), s.rules.UniqueLast)
}

// checkAge refuses to change a password that is too young, so that nobody walks through the history to an old one.
func (s *Service) checkAge(u *User) error {
	if s.rules.MinimumAgeDays == 0 || u.PasswordCreatedAt == nil || u.MustChange {
		return nil
	}
	from := u.PasswordCreatedAt.Add(time.Duration(s.rules.MinimumAgeDays) * day)
	if now := s.clock.Now(); now.Before(from) {
		return rest.BadRequest("Password validation error: Cannot change password before minimum age %d days is met. Password can be changed in "+
			"%d day(s)..", s.rules.MinimumAgeDays, int(from.Sub(now)/day)+1)
	}
	return nil
}

// locked tells whether too many wrong passwords have locked an account.
func (s *Service) locked(u *User) bool {
	if s.rules.LockoutAttempts == 0 || u.FailedCount < int64(s.rules.LockoutAttempts) || u.FailedAt == nil ||
		optionOn(u.Options, "ignore_lockout_failure_attempts") {
		return false
	}
	return s.rules.LockoutDuration == 0 || s.clock.Now().Before(u.FailedAt.Add(s.rules.LockoutDuration))
}

// noteFailure counts a wrong password; noteSuccess forgets those before, and notes the day of the login where somebody asks for it.
func (s *Service) noteFailure(ctx context.Context, u *User) error {
	if s.rules.LockoutAttempts == 0 || optionOn(u.Options, "ignore_lockout_failure_attempts") {
		return nil
	}
	begin := u.FailedAt != nil && s.rules.LockoutDuration > 0 && u.FailedCount >= int64(s.rules.LockoutAttempts) && !s.locked(u)
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return db.CountFailure(ctx, tx, u.ID, s.clock.Now(), begin)
	})
}

func (s *Service) noteSuccess(ctx context.Context, u *User) error {
	today := s.clock.Now().Truncate(day)
	active := s.rules.InactiveDays > 0 && (u.LastActiveAt == nil || u.LastActiveAt.Before(today))
	if !active && (s.rules.LockoutAttempts == 0 || u.FailedCount == 0) {
		return nil
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return db.NoteLogin(ctx, tx, u.ID, today) })
}

// Inactive tells whether a user has not logged in for so long that the account is as if disabled.
func (s *Service) Inactive(u *User) bool {
	if s.rules.InactiveDays == 0 || optionOn(u.Options, "ignore_user_inactivity") {
		return false
	}
	last := u.LastActiveAt
	if last == nil {
		last = &u.CreatedAt
	}
	return s.clock.Now().After(last.Add(time.Duration(s.rules.InactiveDays+1) * day))
}
