// Package password hashes and checks users' passwords as upstream's default algorithm does: bcrypt over at most 72 bytes.
//
// It owns the cost, the bound on how many hashes are computed at once, and the memory of passwords that were right before, so that
// a client that logs in again and again pays for one hash. It stores nothing.
package password

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/singleflight"

	"gostack/internal/secret"
)

// DefaultCost is upstream's bcrypt cost.
const DefaultCost = 12

// MaxBytes is how much of a password counts. Upstream cuts the rest off without a word
// (keystone/common/password_hashing.py, strict_password_check is off by default), and so do we.
const MaxBytes = 72

// Hasher computes and checks hashes. It is safe for concurrent use.
type Hasher struct {
	cost     int
	slots    chan struct{}
	remember *memory
	key      [32]byte
	flight   singleflight.Group
	computed func() // called before each computation; for tests
}

// New makes a Hasher of the given bcrypt cost; 0 means DefaultCost. One processor, where there are several, is never used for hashes: a flood
// of logins must not stop everything else.
func New(cost int) (*Hasher, error) {
	if cost == 0 {
		cost = DefaultCost
	}
	if cost < bcrypt.MinCost || cost > bcrypt.MaxCost {
		return nil, fmt.Errorf("password: bcrypt cost %d is not within %d and %d", cost, bcrypt.MinCost, bcrypt.MaxCost)
	}
	h := &Hasher{
		cost:     cost,
		slots:    make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		remember: newMemory(10_000),
		computed: func() {},
	}
	if _, err := rand.Read(h.key[:]); err != nil {
		return nil, fmt.Errorf("password: draw key: %w", err)
	}
	return h, nil
}

// Hash returns the hash to store for p. It waits for a free slot as long as ctx allows.
func (h *Hasher) Hash(ctx context.Context, p secret.String) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	out, err := bcrypt.GenerateFromPassword(cut(p), h.cost)
	return string(out), err
}

// Verify tells whether p fits the stored hash. An empty hash fits nothing, after as long a time as any other: a caller that knows no
// such user passes it, so that the time of the answer does not tell who exists (OSSA-2021-003).
func (h *Hasher) Verify(ctx context.Context, hash string, p secret.String) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.nobody()
	}
	mark := h.mark(hash, p)
	if known && h.remember.has(mark) {
		return true, nil
	}
	// The same login that arrives many times at once is computed once. The computation belongs to none of the callers, so none can
	// cancel it for the others.
	result := h.flight.DoChan(string(mark[:]), func() (any, error) {
		if err := h.enter(context.WithoutCancel(ctx)); err != nil {
			return false, err
		}
		defer h.leave()
		err := bcrypt.CompareHashAndPassword([]byte(hash), cut(p))
		if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("compare password: %w", err)
		}
		return true, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return false, r.Err
		}
		right := r.Val.(bool) && known
		if right {
			h.remember.add(mark)
		}
		return right, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// nobody is a well-formed hash of the current cost that nobody's password is known for.
func (h *Hasher) nobody() string {
	return fmt.Sprintf("$2a$%02d$gostackgostackgostackeO7sZ8bR1cV4nY2mX5wQ9tU3pL6kJ0iHG", h.cost)
}

// mark stands for a password that fitted a stored hash, without telling either. A new password has a new hash, and so a new mark.
func (h *Hasher) mark(hash string, p secret.String) [sha256.Size]byte {
	m := hmac.New(sha256.New, h.key[:])
	m.Write([]byte(hash))
	m.Write([]byte{0})
	m.Write(cut(p))
	return [sha256.Size]byte(m.Sum(nil))
}

func (h *Hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		h.computed()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hasher) leave() { <-h.slots }

func cut(p secret.String) []byte {
	b := []byte(p.Reveal())
	return b[:min(len(b), MaxBytes)]
}
