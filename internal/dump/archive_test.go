package dump_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"gostack/internal/dump"
	"gostack/internal/secret"
	"gostack/internal/store"
)

func archive(t *testing.T, db *store.DB, passphrase secret.String) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := dump.NewWriter(&b, passphrase, dump.Manifest{Version: "v", Host: "h"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := dump.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := w.Database(t.Context(), s, func(string, dump.Sum) {}); err != nil {
		t.Fatal(err)
	}
	if err := w.File("config/gostack.yaml", 5, strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "../x", "/etc/passwd", "a/../../b", "a//b"} {
		if err := w.File(bad, 0, strings.NewReader("")); err == nil {
			t.Errorf("file %q was taken", bad)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func restore(t *testing.T, b []byte, passphrase secret.String, to *store.DB) error {
	t.Helper()
	m, err := dump.Read(bytes.NewReader(b), passphrase, dump.Visitor{})
	if err != nil {
		return err
	}
	from := &dump.Archived{Manifest: m, Passphrase: passphrase, Reopen: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
	_, err = dump.Load(t.Context(), to, from, false, func(string, dump.Sum) {})
	return err
}

func TestArchivesOfOneKindRestoreIntoTheOther(t *testing.T) {
	for from, source := range urls(t) {
		for to, target := range urls(t) {
			t.Run(from+" to "+to, func(t *testing.T) {
				a, b := empty(t, source()), empty(t, target())
				want := fill(t, a)
				pass := secret.String{}
				if from == to {
					pass = secret.New("correct horse")
				}
				file := archive(t, a, pass)
				if !pass.Empty() && (bytes.Contains(file, []byte("gzip")) || !bytes.HasPrefix(file, []byte("age-encryption.org"))) {
					t.Error("it is not encrypted")
				}
				if err := restore(t, file, pass, b); err != nil {
					t.Fatal(err)
				}
				check(t, b, want)
			})
		}
	}
}

func TestWrongPassphrase(t *testing.T) {
	a := empty(t, urls(t)["sqlite"]())
	file := archive(t, a, secret.New("right"))
	for _, p := range []string{"", "wrong"} {
		if _, err := dump.Read(bytes.NewReader(file), secret.New(p), dump.Visitor{}); !errors.Is(err, dump.ErrPassphrase) {
			t.Errorf("passphrase %q: %v", p, err)
		}
	}
}

// Whatever happens to a file, it is noticed: cut anywhere, any bit turned, something else altogether.
func TestDamageIsNoticed(t *testing.T) {
	a := empty(t, urls(t)["sqlite"]())
	fill(t, a)
	good := archive(t, a, secret.String{})
	if _, err := dump.Read(bytes.NewReader(good), secret.String{}, dump.Visitor{}); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's choice of places
	for range 200 {
		bad := bytes.Clone(good)
		if r.IntN(2) == 0 {
			bad = bad[:r.IntN(len(bad))]
		} else {
			i := r.IntN(len(bad))
			if i < 10 { // some of gzip's header means nothing
				continue
			}
			bad[i] ^= 1 << r.IntN(8)
		}
		if _, err := dump.Read(bytes.NewReader(bad), secret.String{}, dump.Visitor{}); err == nil {
			t.Fatalf("damage was not noticed (seed %d)", seed)
		}
	}
	for _, junk := range []string{"", "hello", "PK\x03\x04"} {
		if _, err := dump.Read(strings.NewReader(junk), secret.String{}, dump.Visitor{}); !errors.Is(err, dump.ErrDamaged) {
			t.Errorf("%q: %v", junk, err)
		}
	}
}
