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
	if s.table != nil {
		s.table.noticed(g.Keys)
	}
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

// revoke stores revocations in the caller's transaction; they hold from the commit on.
func (s *Service) revoke(ctx context.Context, tx store.Tx, list ...*db.Revocation) error {
	now := s.clock.Now()
	for _, v := range list {
		v.RevokedAt = now
		if v.IssuedBefore.IsZero() {
			v.IssuedBefore = now.Truncate(time.Second)
		}
	}
	if err := db.PurgeRevocations(ctx, tx, now.Add(-s.revocationsLast())); err != nil {
		return err
	}
	if err := db.Insert(ctx, tx, &list); err != nil {
		return err
	}
	g, err := db.BumpRevocations(ctx, tx)
	if err != nil {
		return err
	}
	s.db.Announce(ctx, topic, "revocations")
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
		for _, v := range list {
			m.revoked.add(v)
		}
	})
	return nil
}

// revokeUsers revokes all tokens that some users have got so far.
//
// A Fernet token tells its birth only to the second. So that a user who has just changed the password can log in again within the
// same second, tokens issued after a revocation are dated after it (see stamp), and a revocation reaches as far as the tokens issued
// since the one before.
func (s *Service) revokeUsers(ctx context.Context, tx store.Tx, users ...string) error {
	if len(users) == 0 {
		return nil
	}
	last, err := db.LastRevocations(ctx, tx, users)
	if err != nil {
		return err
	}
	list := make([]*db.Revocation, len(users))
	for i, u := range users {
		before := s.clock.Now().Truncate(time.Second)
		if !last[u].Before(before) {
			before = last[u].Add(time.Second)
		}
		list[i] = &db.Revocation{UserID: u, IssuedBefore: before}
	}
	return s.revoke(ctx, tx, list...)
}

// stamp returns the time to write into a new token of some users: now, or the second after the last revocation of any of them; and the
// generations that it is true for.
func (s *Service) stamp(users ...string) (time.Time, generations) {
	now := s.clock.Now().Truncate(time.Second)
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range users {
		if before, ok := m.revoked.users[id]; ok && !before.Before(now) {
			now = before.Add(time.Second)
		}
	}
	return now, generations{m.identity, m.revocations}
}

// isRevoked tells whether a token has been revoked. refresh must have run before.
func (s *Service) isRevoked(t *Token) bool {
	m := s.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revoked.covers(&t.Payload, t.IssuedAt, t.grantors)
}

// RevokeToken ends a token, and no other: those that were made from it, and the one it was made from, stay good, as upstream.
func (s *Service) RevokeToken(ctx context.Context, t *Token) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return s.revoke(ctx, tx, &db.Revocation{AuditID: t.Payload.AuditID()})
	})
}

// Revocations lists those made since a moment that can still matter.
func (s *Service) Revocations(ctx context.Context, since time.Time) ([]*db.Revocation, error) {
	if oldest := s.clock.Now().Add(-s.revocationsLast()); since.Before(oldest) {
		since = oldest
	}
	return db.ListRevocations(ctx, s.db.Read(ctx), since)
}
