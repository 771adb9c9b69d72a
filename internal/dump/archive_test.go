package dump_test

import (
	"bytes"
	"errors"
	"fmt"
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

// contents reads an archive to its end and returns all that is in it.
func contents(file []byte) (string, error) {
	var all bytes.Buffer
	m, err := dump.Read(bytes.NewReader(file), secret.String{}, dump.Visitor{
		Row: func(table string, line []byte) error {
			fmt.Fprintf(&all, "%s %s\n", table, line)
			return nil
		},
		File: func(name string, _ int64, body io.Reader) error {
			text, err := io.ReadAll(body)
			fmt.Fprintf(&all, "%s %s\n", name, text)
			return err
		},
	})
	fmt.Fprintf(&all, "%+v", m)
	return all.String(), err
}

// Whatever happens to a file, it is noticed: cut anywhere, any bit turned, something else altogether. A few bits of a compressed file mean nothing, such as those
// that fill its last byte; with them turned, all that comes out is as it was.
func TestDamageIsNoticed(t *testing.T) {
	a := empty(t, urls(t)["sqlite"]())
	fill(t, a)
	good := archive(t, a, secret.String{})
	want, err := contents(good)
	if err != nil || !strings.Contains(want, "a699") || !strings.Contains(want, "hello") {
		t.Fatalf("%d bytes come out, %v", len(want), err)
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's choice of places
	for range 200 {
		bad := bytes.Clone(good)
		cut := r.IntN(2) == 0
		if cut {
			bad = bad[:r.IntN(len(bad))]
		} else {
			bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		}
		if got, err := contents(bad); err == nil && (cut || got != want) {
			t.Fatalf("damage was not noticed (seed %d)", seed)
		}
	}
	for _, junk := range []string{"", "hello", "PK\x03\x04"} {
		if _, err := dump.Read(strings.NewReader(junk), secret.String{}, dump.Visitor{}); !errors.Is(err, dump.ErrDamaged) {
			t.Errorf("%q: %v", junk, err)
		}
	}
}
