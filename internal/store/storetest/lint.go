package storetest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// LintMigration tells what in a migration file would break the release before, which works on the same tables while it is being replaced (docs/upgrade.md). A file that
// takes away what an older release has stopped using says so by a line "-- contract of RELEASE: why", where RELEASE is one of those released.
func LintMigration(service, file, text string, released []string) (problems []string) {
	bad := func(format string, args ...any) {
		problems = append(problems, file+": "+fmt.Sprintf(format, args...))
	}
	if !fileForm.MatchString(file) {
		bad("the name is not 00001_what_it_does.sql")
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "-- +goose Up") {
		bad("it does not begin with -- +goose Up")
	}
	if strings.Contains(text, "+goose Down") {
		bad("it has a way back; migrations go forward only")
	}
	contract := false
	if m := contractForm.FindStringSubmatch(text); m != nil {
		if contract = slices.Contains(released, m[1]); !contract {
			bad("it is a contract of %s, which was not released", m[1])
		}
	}
	created, added := map[string]bool{}, map[string]bool{} // tables, and columns as table.column
	for _, statement := range strings.Split(commentForm.ReplaceAllString(text, ""), ";") {
		s := strings.Join(strings.Fields(statement), " ")
		upper := strings.ToUpper(s)
		if m := createForm.FindStringSubmatch(s); m != nil {
			created[m[1]] = true
			if !strings.HasPrefix(m[1], service+"_") {
				bad("table %s is not named after the service %s", m[1], service)
			}
			for _, t := range typeForm.FindAllStringSubmatch(upper, -1) {
				bad("%s is not a type of both databases", t[1])
			}
			continue
		}
		if m := indexForm.FindStringSubmatch(s); m != nil {
			// One over columns that this file adds, for some of their values only, does not see what the release before writes: their defaults.
			if m[1] != "" && !created[m[2]] && !contract && !(strings.Contains(upper, " WHERE ") && added[m[2]+"."+strings.TrimSpace(m[3])]) {
				bad("a unique index on the existing table %s refuses what the release before writes", m[2])
			}
			continue
		}
		if m := addForm.FindStringSubmatch(s); m != nil {
			added[m[1]+"."+m[2]] = true
		}
		m := alterForm.FindStringSubmatch(s)
		existing := m == nil || !created[m[1]]
		switch {
		case s == "", contract:
		case strings.HasPrefix(upper, "DROP"), existing && m != nil && dropForm.MatchString(upper):
			bad("%q takes away or renames what the release before uses", s)
		case m == nil:
			if !strings.HasPrefix(upper, "INSERT") && !strings.HasPrefix(upper, "UPDATE") && !strings.HasPrefix(upper, "DELETE") {
				bad("%q is not known to be harmless", s)
			}
		case existing && strings.Contains(upper, " NOT NULL") && !strings.Contains(upper, " DEFAULT "):
			bad("%q has no default, so the release before cannot insert rows", s)
		case existing && !strings.Contains(upper, " ADD "):
			bad("%q is not known to be harmless", s)
		}
	}
	return problems
}

var (
	fileForm     = regexp.MustCompile(`^\d{5}_[a-z0-9_]+\.sql$`)
	contractForm = regexp.MustCompile(`(?m)^-- contract of (\S+): .+$`)
	commentForm  = regexp.MustCompile(`--[^\n]*`)
	createForm   = regexp.MustCompile(`(?i)^CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
	indexForm    = regexp.MustCompile(`(?i)^CREATE (UNIQUE )?INDEX \w+ ON (\w+) *\(([^)]*)\)`)
	addForm      = regexp.MustCompile(`(?i)^ALTER TABLE (\w+) ADD COLUMN (\w+)`)
	alterForm    = regexp.MustCompile(`(?i)^ALTER TABLE (\w+) `)
	dropForm     = regexp.MustCompile(` DROP | RENAME |ALTER COLUMN`)
	typeForm     = regexp.MustCompile(`[(,] *\w+ (VARCHAR|CHAR|JSONB?|UUID|BLOB|BYTEA|SERIAL|BIGSERIAL|DATETIME|TIMESTAMPTZ|INT4|INT8|SMALLINT|NUMERIC|REAL|FLOAT)\b`)
)
