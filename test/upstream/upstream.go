// Package upstream compares gostack with OpenStack's own description of its APIs: policies, operations and OpenAPI documents.
//
// The description lies beside the project, in ../shared/api, where the project is developed. Where it is absent every check
// here is left out and says so.
package upstream

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"
)

// Root is the directory with the description, or "" where there is none.
func Root() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			api := filepath.Join(filepath.Dir(dir), "shared", "api")
			if _, err := os.Stat(filepath.Join(api, "operations.tsv")); err == nil {
				return api
			}
			return ""
		}
	}
	return ""
}

// Need returns Root and leaves the test out where there is none.
func Need(t testing.TB) string {
	t.Helper()
	dir := Root()
	if dir == "" {
		t.Skip("LEFT OUT: ../shared/api is not here to compare with")
	}
	return dir
}

// Row is one line of a table, by column.
type Row map[string]string

// Table reads a tab-separated table, keeping the lines of one service.
func Table(file, service string) ([]Row, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	all, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, line := range all[1:] {
		if line[0] != service {
			continue
		}
		row := Row{}
		for i, v := range line {
			row[all[0][i]] = v
		}
		rows = append(rows, row)
	}
	return rows, nil
}
