package dump_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/dump"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

var schema = store.Migrations{Service: "zoo", FS: fstest.MapFS{"migrations/00001_zoo.sql": {Data: []byte(`-- +goose Up
CREATE TABLE zoo_animals (id {{autoid}}, name TEXT NOT NULL, mother BIGINT REFERENCES zoo_animals (id), tame BOOLEAN NOT NULL, weight DOUBLE PRECISION, born TIMESTAMP, fed TIMESTAMP NOT NULL, legs BIGINT NOT NULL);
CREATE TABLE zoo_a_visits (animal BIGINT NOT NULL REFERENCES zoo_animals (id), at TIMESTAMP NOT NULL, PRIMARY KEY (animal, at));
`)}}}

type animal struct {
	bun.BaseModel `bun:"zoo_animals"`
	ID            int64 `bun:",pk,autoincrement"`
	Name          string
	Mother        *int64
	Tame          bool
	Weight        *float64
	Born          *time.Time
	Fed           time.Time
	Legs          int64
}

type visit struct {
	bun.BaseModel `bun:"zoo_a_visits"`
	Animal        int64
	At            time.Time
}

func empty(t *testing.T, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	return db
}

func urls(t *testing.T) map[string]func() string {
	return map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + filepath.Join(t.TempDir(), "db") },
		"postgres": func() string { return storetest.PostgreSQLURL(t) },
	}
}

// fill stores awkward rows: a mother younger than its child, text that tries to be SQL, extremes of numbers and times, and a gap at the end of the numbers.
func fill(t *testing.T, db *store.DB) []animal {
	t.Helper()
	w, tiny := 0.1+0.2, 5e-324
	at := time.Date(2026, 2, 3, 4, 5, 6, 789001000, time.UTC)
	two := int64(2)
	rows := []animal{
		{ID: 1, Name: "Bobby '); DROP TABLE zoo_animals; -- ? \\ \n\t\"ü\u2028😀", Mother: &two, Tame: true, Weight: &w, Born: &at, Fed: at.Add(time.Microsecond), Legs: 1<<63 - 1},
		{ID: 2, Name: "", Weight: &tiny, Fed: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), Legs: -1 << 63},
	}
	for i := int64(3); i <= 700; i++ {
		rows = append(rows, animal{ID: i, Name: fmt.Sprint("a", i), Fed: at.Add(time.Duration(i) * time.Second), Legs: i % 9, Tame: i%2 == 0})
	}
	err := db.Exclusive(t.Context(), func(ctx context.Context, tx bun.IDB) error {
		if db.Kind() == store.SQLite {
			if _, err := tx.ExecContext(ctx, "PRAGMA defer_foreign_keys = ON"); err != nil {
				return err
			}
		}
		for _, r := range append(rows[1:len(rows):len(rows)], rows[0]) {
			if _, err := tx.NewInsert().Model(&r).Exec(ctx); err != nil {
				return err
			}
		}
		if _, err := tx.NewInsert().Model(&visit{Animal: 1, At: at}).Exec(ctx); err != nil {
			return err
		}
		gap := animal{ID: 5000, Name: "gone", Fed: at}
		if _, err := tx.NewInsert().Model(&gap).Exec(ctx); err != nil {
			return err
		}
		if db.Kind() == store.PostgreSQL {
			if _, err := tx.ExecContext(ctx, "SELECT setval(pg_get_serial_sequence('zoo_animals', 'id'), 5000)"); err != nil {
				return err
			}
		}
		_, err := tx.NewDelete().Model(&gap).WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func check(t *testing.T, db *store.DB, want []animal) {
	t.Helper()
	var got []animal
	if err := db.Read(t.Context()).NewSelect().Model(&got).Order("id").Scan(t.Context()); err != nil || len(got) != len(want) {
		t.Fatalf("%d animals, want %d (%v)", len(got), len(want), err)
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.Name != w.Name || g.Tame != w.Tame || g.Legs != w.Legs || !g.Fed.Equal(w.Fed) || (g.Mother == nil) != (w.Mother == nil) ||
			(w.Weight != nil && *g.Weight != *w.Weight) || (w.Born != nil && !g.Born.Equal(*w.Born)) {
			t.Fatalf("animal %d is %+v, want %+v", i, g, w)
		}
	}
	next := animal{Name: "next", Fed: time.Now()}
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := tx.NewInsert().Model(&next).Exec(ctx)
		return err
	})
	if err != nil || next.ID != 5001 {
		t.Errorf("the next number is %d, want 5001: numbers are given twice (%v)", next.ID, err)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := tx.NewInsert().Model(&visit{Animal: 99999, At: time.Now()}).Exec(ctx)
		return err
	})
	if !store.IsForeignKey(err) {
		t.Errorf("foreign keys are gone: %v", err)
	}
}

func TestCopyBetweenAllKinds(t *testing.T) {
	for from, source := range urls(t) {
		for to, target := range urls(t) {
			t.Run(from+" to "+to, func(t *testing.T) {
				a, b := empty(t, source()), empty(t, target())
				want := fill(t, a)
				seen := map[string]dump.Sum{}
				sums, err := dump.Copy(t.Context(), a, b, func(table string, s dump.Sum) { seen[table] = s })
				if err != nil {
					t.Fatal(err)
				}
				if len(sums) != 2 || sums["zoo_animals"].Rows != 700 || seen["zoo_animals"] != sums["zoo_animals"] {
					t.Errorf("sums %v", sums)
				}
				if _, err := dump.Copy(t.Context(), a, b, func(string, dump.Sum) {}); !errors.Is(err, dump.ErrNotEmpty) || !strings.Contains(err.Error(), "zoo_animals") {
					t.Errorf("a second copy: %v", err)
				}
				check(t, b, want)
			})
		}
	}
}

// What fails on the way leaves the target as it was.
func TestABrokenCopyLeavesNothing(t *testing.T) {
	for to, target := range urls(t) {
		t.Run(to, func(t *testing.T) {
			a, b := empty(t, "sqlite:"+filepath.Join(t.TempDir(), "a")), empty(t, target())
			fill(t, a)
			s, err := dump.Open(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for what, broken := range map[string]dump.Source{
				"the source fails":      failing{s, func(r dump.Row) (dump.Row, error) { return nil, errors.New("disk error") }},
				"a value is altered":    failing{s, func(r dump.Row) (dump.Row, error) { return altered(r), nil }},
				"a table does not come": partial{s},
			} {
				if _, err := dump.Load(t.Context(), b, broken, false, func(string, dump.Sum) {}); err == nil {
					t.Errorf("%s: no error", what)
				}
				if n, err := b.Read(t.Context()).NewSelect().Model((*animal)(nil)).Count(t.Context()); err != nil || n != 0 {
					t.Errorf("%s: %d rows are left (%v)", what, n, err)
				}
			}
			if _, err := dump.Load(t.Context(), b, s, false, func(string, dump.Sum) {}); err != nil {
				t.Errorf("run again: %v", err)
			}
		})
	}
}

func altered(r dump.Row) dump.Row {
	out := append(dump.Row{}, r...)
	for i, v := range out {
		if s, ok := v.(string); ok && s == "a5" {
			out[i] = "a6"
		}
	}
	return out
}

type each = func(*dump.Table, int64, func(func(dump.Row) error) (dump.Sum, error)) error

type failing struct {
	*dump.Snapshot
	change func(dump.Row) (dump.Row, error)
}

func (f failing) Each(ctx context.Context, table each) error {
	return f.Snapshot.Each(ctx, func(t *dump.Table, next int64, rows func(func(dump.Row) error) (dump.Sum, error)) error {
		return table(t, next, func(fn func(dump.Row) error) (dump.Sum, error) {
			return rows(func(r dump.Row) error {
				r, err := f.change(r)
				if err != nil {
					return err
				}
				return fn(r)
			})
		})
	})
}

type partial struct{ *dump.Snapshot }

func (p partial) Each(ctx context.Context, table each) error {
	return p.Snapshot.Each(ctx, func(t *dump.Table, next int64, rows func(func(dump.Row) error) (dump.Sum, error)) error {
		if t.Name == "zoo_a_visits" {
			return nil
		}
		return table(t, next, rows)
	})
}

// A snapshot sees nothing that is written after it was taken.
func TestSnapshot(t *testing.T) {
	for kind, url := range urls(t) {
		t.Run(kind, func(t *testing.T) {
			db := empty(t, url())
			s, err := dump.Open(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			fill(t, db)
			for i := range s.Tables {
				if sum, err := s.Rows(t.Context(), &s.Tables[i], func(dump.Row) error { return nil }); err != nil || sum.Rows != 0 {
					t.Errorf("%s has %d rows, %v", s.Tables[i].Name, sum.Rows, err)
				}
			}
		})
	}
}
