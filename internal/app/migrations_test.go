package app

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"gostack/internal/store/storetest"
)

// releasedMigrations lists the migration files of releases, one a line: release, SHA-256, service/file. A release adds its new files with GOSTACK_RELEASE=NAME go test -run TestMigrations ./internal/app.
const releasedMigrations = "testdata/released-migrations"

// TestMigrations reads every migration file of every service: the release before must be able to work on the tables of this one, and files that were released never change.
func TestMigrations(t *testing.T) {
	list, err := os.ReadFile(releasedMigrations)
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]string{}
	var releases []string
	for line := range strings.Lines(string(list)) {
		f := strings.Fields(line)
		if len(f) != 3 {
			t.Fatalf("%s: %q is not release, digest, service/file", releasedMigrations, line)
		}
		digests[f[2]] = f[1]
		if !slices.Contains(releases, f[0]) {
			releases = append(releases, f[0])
		}
	}
	var fresh []string
	for _, set := range Migrations() {
		names, err := fs.Glob(set.FS, "migrations/*.sql")
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", set.Service, names, err)
		}
		seen := map[string]bool{}
		for _, name := range names {
			b, err := fs.ReadFile(set.FS, name)
			if err != nil {
				t.Fatal(err)
			}
			file := path.Base(name)
			if seen[file[:5]] {
				t.Errorf("%s has two files of number %s", set.Service, file[:5])
			}
			seen[file[:5]] = true
			for _, p := range storetest.LintMigration(set.Service, file, string(b), releases) {
				t.Errorf("%s/%s", set.Service, p)
			}
			sum := sha256.Sum256(b)
			digest, key := hex.EncodeToString(sum[:]), set.Service+"/"+file
			switch want, ok := digests[key]; {
			case !ok:
				fresh = append(fresh, digest+" "+key)
			case want != digest:
				t.Errorf("%s was released and has been changed since: clouds that have run it would differ from new ones; write another migration", key)
			}
			delete(digests, key)
		}
	}
	for key := range digests {
		t.Errorf("%s was released and is missing", key)
	}
	if release := os.Getenv("GOSTACK_RELEASE"); release != "" && !t.Failed() {
		for _, line := range fresh {
			list = fmt.Appendf(list, "%s %s\n", release, line)
		}
		if err := os.WriteFile(releasedMigrations, list, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
