package fernet

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func newRepository(t *testing.T) (*Repository, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fernet-keys")
	r := OpenRepository(dir, 3)
	if created, err := r.Setup(); err != nil || !created {
		t.Fatalf("setup: %v, %v", created, err)
	}
	return r, dir
}

func TestSetupMakesAStagedAndAPrimaryKeyOnce(t *testing.T) {
	r, dir := newRepository(t)
	if got := names(t, dir); !slices.Equal(got, []string{"0", "1"}) {
		t.Errorf("files %v", got)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory mode %v, %v", info.Mode(), err)
	}
	info, err = os.Stat(filepath.Join(dir, "1"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key mode %v, %v", info.Mode(), err)
	}
	before, _, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	if created, err := r.Setup(); err != nil || created {
		t.Errorf("second setup: %v, %v", created, err)
	}
	if after, _, err := r.Keys(); err != nil || !slices.Equal(before, after) {
		t.Errorf("keys changed by the second setup: %v", err)
	}
}

func TestSetupTightensALooseRepository(t *testing.T) {
	r, dir := newRepository(t)
	if err := os.Chmod(filepath.Join(dir, "0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Setup(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "0")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestRotationKeepsOldMessagesReadableUntilTheirKeyIsGone(t *testing.T) {
	r, dir := newRepository(t)
	keys, _, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	text, err := Encrypt(keys[0], []byte("m"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	staged := keys[len(keys)-1]
	for i, want := range []struct {
		files    []string
		readable bool
	}{
		{[]string{"0", "1", "2"}, true},
		{[]string{"0", "2", "3"}, false},
		{[]string{"0", "3", "4"}, false},
	} {
		if err := r.Rotate(); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); !slices.Equal(got, want.files) {
			t.Errorf("rotation %d: files %v, want %v", i, got, want.files)
		}
		keys, _, err := r.Keys()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && keys[0] != staged {
			t.Error("the staged key did not become the primary")
		}
		if _, _, err := Decrypt(keys, text); (err == nil) != want.readable {
			t.Errorf("rotation %d: opening gives %v", i, err)
		}
	}
}

func TestRotationWithOneKeyToKeepLeavesThePrimary(t *testing.T) {
	dir := t.TempDir()
	r := OpenRepository(dir, 1)
	if _, err := r.Setup(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"0", "4"}) {
		t.Errorf("files %v", got)
	}
}

func TestAChangeByAnotherProcessIsSeen(t *testing.T) {
	r, dir := newRepository(t)
	_, first, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	if err := OpenRepository(dir, 3).Rotate(); err != nil {
		t.Fatal(err)
	}
	// The file system's clock is coarse; make the change visible as it would be a few milliseconds later.
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(dir, later, later); err != nil {
		t.Fatal(err)
	}
	keys, second, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 3 || second == first {
		t.Errorf("%d keys, generation %d then %d", len(keys), first, second)
	}
}

func TestKeysOfABrokenRepository(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := OpenRepository(filepath.Join(dir, "absent"), 3).Keys(); err == nil {
		t.Error("absent directory: no error")
	}
	if _, _, err := OpenRepository(dir, 3).Keys(); err == nil {
		t.Error("empty directory: no error")
	}
	if err := OpenRepository(dir, 3).Rotate(); err == nil {
		t.Error("rotation of nothing: no error")
	}
	if err := os.WriteFile(filepath.Join(dir, "1"), []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenRepository(dir, 3).Keys(); err == nil {
		t.Error("bad key file: no error")
	}
}

func TestOtherFilesAreIgnored(t *testing.T) {
	r, dir := newRepository(t)
	for _, name := range []string{"README", "01", "-1", ".new-123"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if keys, _, err := OpenRepository(dir, 3).Keys(); err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	_ = r
}
