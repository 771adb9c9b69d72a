package keystone

import (
	"context"
	"fmt"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/store"
)

// refreshEvery bounds how long a change made by another replica, or by a command beside the server, can go unseen.
const refreshEvery = time.Second

// refresh compares the generations in memory with those in the database, once in a while, and loads the revocations if there are
// new ones. Changes of this process are in memory already.
func (s *Service) refresh(ctx context.Context) error { return s.refreshIf(ctx, false) }

// refreshNow is refresh without patience. A token is dated by the last revocation of its user, so issuing one must know of all.
func (s *Service) refreshNow(ctx context.Context) error { return s.refreshIf(ctx, true) }

func (s *Service) refreshIf(ctx context.Context, must bool) error {
	now := s.clock.Now()
	m := s.memory
	m.mu.Lock()
	due := must || !m.revoked.loaded || now.Sub(m.checked) >= refreshEvery || now.Before(m.checked)
	if due && m.revoked.loaded {
		m.checked = now // others go on with what there is
	}
	m.mu.Unlock()
	if !due {
		return nil
	}
	g, err := db.GetGenerations(ctx, s.db.Read(ctx))
	if err != nil {
		return fmt.Errorf("read generations: %w", err)
	}
	m.mu.Lock()
	stale := !m.revoked.loaded || g.Revocations > m.revocations
	m.identity = max(m.identity, g.Identity)
	m.mu.Unlock()
	if !stale {
		return nil
	}
	list, err := db.ListRevocations(ctx, s.db.Read(ctx), now.Add(-s.revocationsLast()))
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	r := revoked{loaded: true, tokens: map[string]bool{}, chains: map[string]bool{}, users: map[string]time.Time{}}
	for _, v := range list {
		r.add(v)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.revoked.loaded && g.Revocations <= m.revocations {
		return nil // this process revoked something meanwhile, and knows more
	}
	m.revoked, m.revocations, m.checked = r, g.Revocations, now
	return nil
}

// revocationsLast is how long a revocation can matter: an expired token may be asked for during the window.
func (s *Service) revocationsLast() time.Duration {
	return s.lifetime + AllowExpiredWindow + 30*time.Minute
}

// revoke stores a revocation in the caller's transaction; it holds from the commit on.
func (s *Service) revoke(ctx context.Context, tx store.Tx, v *db.Revocation) error {
	now := s.clock.Now()
	v.RevokedAt = now
	if v.IssuedBefore.IsZero() {
		v.IssuedBefore = now.Truncate(time.Second)
	}
	if err := db.PurgeRevocations(ctx, tx, now.Add(-s.revocationsLast())); err != nil {
		return err
	}
	if err := db.Insert(ctx, tx, v); err != nil {
		return err
	}
	g, err := db.BumpRevocations(ctx, tx)
	if err != nil {
		return err
	}
	store.AfterCommit(ctx, func() {
		m := s.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.revoked.loaded {
			return // all are loaded before the first check
		}
		if g.Revocations == m.revocations+1 {
			m.revocations = g.Revocations
		} else {
			m.checked = time.Time{} // another replica revoked too: read all at the next check
		}
		m.revoked.add(v)
	})
	return nil
}

// revokeUser revokes all tokens that a user has got so far.
//
// A Fernet token tells its birth only to the second. So that a user who has just changed the password can log in again within the
// same second, tokens issued after a revocation are dated after it (see stamp), and a revocation reaches as far as the tokens issued
// since the one before.
func (s *Service) revokeUser(ctx context.Context, tx store.Tx, userID string) error {
	last, err := db.LastRevocationOfUser(ctx, tx, userID)
	if err != nil {
		return err
	}
	before := s.clock.Now().Truncate(time.Second)
	if !last.Before(before) {
		before = last.Add(time.Second)
	}
	return s.revoke(ctx, tx, &db.Revocation{UserID: userID, IssuedBefore: before})
}

// stamp returns the time to write into a new token of a user: now, or the second after the user's last revocation; and the generations that
// it is true for.
func (s *Service) stamp(userID string) (time.Time, generations) {
	now := s.clock.Now().Truncate(time.Second)
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, ok := m.revoked.users[userID]; ok && !before.Before(now) {
		now = before.Add(time.Second)
	}
	return now, generations{m.identity, m.revocations}
}

// isRevoked tells whether a token has been revoked. refresh must have run before.
func (s *Service) isRevoked(t *Token) bool {
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revoked.covers(&t.Payload, t.IssuedAt)
}

// RevokeToken ends a token. If cascade, those made from it end too: upstream revokes by chain the tokens whose chain begins with this
// one, so revoking a rescoped token leaves its siblings and its origin alone.
func (s *Service) RevokeToken(ctx context.Context, t *Token, cascade bool) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := s.revoke(ctx, tx, &db.Revocation{AuditID: t.Payload.AuditID()}); err != nil {
			return err
		}
		if !cascade {
			return nil
		}
		return s.revoke(ctx, tx, &db.Revocation{AuditChainID: t.Payload.AuditID()})
	})
}
