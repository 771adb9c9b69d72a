package storetest

import (
	"strings"
	"testing"
)

func TestLintMigration(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE TABLE zoo_animals (id TEXT PRIMARY KEY, name TEXT NOT NULL); CREATE UNIQUE INDEX zoo_i ON zoo_animals (name);": "",
		"ALTER TABLE zoo_animals ADD COLUMN legs BIGINT NOT NULL DEFAULT 4;":                                                   "",
		"ALTER TABLE zoo_animals ADD COLUMN born TIMESTAMP;":                                                                   "",
		"UPDATE zoo_animals SET legs = 4 WHERE legs = 0; CREATE INDEX zoo_legs ON zoo_animals (legs);":                         "",
		"ALTER TABLE zoo_animals ADD COLUMN legs BIGINT NOT NULL;":                                                             "no default",
		"ALTER TABLE zoo_animals DROP COLUMN legs;":                                                                            "takes away",
		"ALTER TABLE zoo_animals RENAME COLUMN legs TO feet;":                                                                  "takes away",
		"ALTER TABLE zoo_animals ALTER COLUMN legs SET NOT NULL;":                                                              "takes away",
		"DROP TABLE zoo_animals;":                             "takes away",
		"DROP INDEX zoo_legs;":                                "takes away",
		"CREATE UNIQUE INDEX zoo_legs ON zoo_animals (legs);": "unique index",
		"CREATE TABLE animals (id TEXT);":                     "not named after",
		"CREATE TABLE zoo_x (id UUID);":                       "UUID is not a type",
		"ALTER TABLE zoo_animals ADD COLUMN cage BIGINT NOT NULL DEFAULT 0; CREATE UNIQUE INDEX zoo_cage ON zoo_animals (cage) WHERE cage > 0;": "",
		"ALTER TABLE zoo_animals ADD COLUMN cage BIGINT NOT NULL DEFAULT 0; CREATE UNIQUE INDEX zoo_cage ON zoo_animals (cage);":                "unique index",
		"GRANT ALL ON zoo_x TO x;": "not known to be harmless",
		"-- contract of 0.1: nobody reads legs since 0.1\nALTER TABLE zoo_animals DROP COLUMN legs;": "",
		"-- contract of 9.9: soon\nALTER TABLE zoo_animals DROP COLUMN legs;":                        "was not released",
	} {
		got := LintMigration("zoo", "00002_x.sql", "-- +goose Up\n"+text, []string{"0.1"})
		if (len(got) == 0) != (want == "") || want != "" && !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s\n  found %v, want %q", text, got, want)
		}
	}
	if got := LintMigration("zoo", "2_X.sql", "CREATE TABLE zoo_x (id TEXT);\n-- +goose Down\n", nil); len(got) != 3 {
		t.Errorf("found %v", got)
	}
}
