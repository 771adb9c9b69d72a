package password

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gostack/internal/secret"
)

func newHasher(t *testing.T) (*Hasher, *atomic.Int64) {
	t.Helper()
	h, err := New(bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var computed atomic.Int64
	h.computed = func() { computed.Add(1) }
	return h, &computed
}

func hash(t *testing.T, h *Hasher, p string) string {
	t.Helper()
	out, err := h.Hash(t.Context(), secret.New(p))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func verify(t *testing.T, h *Hasher, hash, p string) bool {
	t.Helper()
	ok, err := h.Verify(t.Context(), hash, secret.New(p))
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestTheRightPasswordFitsAndOthersDoNot(t *testing.T) {
	h, _ := newHasher(t)
	stored := hash(t, h, "correct horse")
	if !verify(t, h, stored, "correct horse") {
		t.Error("the right password was refused")
	}
	for _, wrong := range []string{"", "Correct horse", "correct horse ", stored} {
		if verify(t, h, stored, wrong) {
			t.Errorf("%q was accepted", wrong)
		}
	}
}

// A hash that Python's bcrypt, and so upstream's Keystone, made.
func TestAHashOfUpstreamFits(t *testing.T) {
	h, _ := newHasher(t)
	// Test vector of the algorithm's reference implementation: $2b$ and a password with non-ASCII bytes.
	if !verify(t, h, "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U") {
		t.Error("refused")
	}
}

func TestOnlyTheFirst72BytesCount(t *testing.T) {
	h, _ := newHasher(t)
	long := strings.Repeat("x", 72)
	stored := hash(t, h, long+"tail")
	if !verify(t, h, stored, long) || !verify(t, h, stored, long+"other") {
		t.Error("what follows byte 72 counts")
	}
	if verify(t, h, stored, long[:71]) {
		t.Error("byte 72 does not count")
	}
}

func TestARepeatedGoodLoginIsNotComputedAgain(t *testing.T) {
	h, computed := newHasher(t)
	stored := hash(t, h, "p")
	computed.Store(0)
	for range 5 {
		if !verify(t, h, stored, "p") {
			t.Fatal("refused")
		}
	}
	if n := computed.Load(); n != 1 {
		t.Errorf("computed %d times", n)
	}
	for range 3 {
		if verify(t, h, stored, "wrong") {
			t.Fatal("accepted")
		}
	}
	if n := computed.Load(); n != 4 {
		t.Errorf("a wrong password must be computed each time: %d times in all", n)
	}
	changed := hash(t, h, "new")
	if verify(t, h, changed, "p") {
		t.Error("the old password fits the new hash")
	}
}

func TestLoginsAtOnceAreComputedOnce(t *testing.T) {
	h, computed := newHasher(t)
	stored := hash(t, h, "p")
	computed.Store(0)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if !verify(t, h, stored, "p") {
				t.Error("refused")
			}
		})
	}
	wg.Wait()
	if n := computed.Load(); n > 25 {
		t.Errorf("computed %d times for 50 logins", n)
	}
}

func TestNobodysPasswordIsComputedAndNeverFits(t *testing.T) {
	h, computed := newHasher(t)
	for range 2 {
		if verify(t, h, "", "p") {
			t.Error("accepted")
		}
	}
	if n := computed.Load(); n != 2 {
		t.Errorf("computed %d times, want as often as for a user with a wrong password", n)
	}
	if cost, err := bcrypt.Cost([]byte(h.nobody())); err != nil || cost != bcrypt.MinCost {
		t.Errorf("cost %d, %v", cost, err)
	}
}

func TestABrokenHashIsAnError(t *testing.T) {
	h, _ := newHasher(t)
	if ok, err := h.Verify(t.Context(), "plain", secret.New("plain")); ok || err == nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	h, _ := newHasher(t)
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, secret.New("p")); !errors.Is(err, context.Canceled) {
		t.Errorf("hash: %v", err)
	}
	if _, err := h.Verify(ctx, "", secret.New("p")); !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
	for range cap(h.slots) {
		h.leave()
	}
}

func TestCostOutOfRange(t *testing.T) {
	for _, cost := range []int{-1, 3, 32} {
		if _, err := New(cost); err == nil {
			t.Errorf("cost %d: no error", cost)
		}
	}
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := newMemory(2)
	for _, b := range []byte{1, 2, 2, 3} {
		m.add([32]byte{b})
	}
	if m.has([32]byte{1}) || !m.has([32]byte{2}) || !m.has([32]byte{3}) {
		t.Error("the oldest, and only the oldest, must be gone")
	}
	m.add([32]byte{4})
	if m.has([32]byte{2}) || !m.has([32]byte{4}) || len(m.marks) != 2 {
		t.Error("it grew")
	}
}
