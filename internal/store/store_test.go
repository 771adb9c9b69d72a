package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

type account struct {
	bun.BaseModel `bun:"table:accounts"`
	ID            string `bun:",pk"`
	Number        int64  `bun:",autoincrement"`
	Amount        int64
	Open          bool
	Created       time.Time
	Closed        *time.Time
}

var schema = store.Migrations{Service: "test", FS: fstest.MapFS{"migrations/00001_accounts.sql": {Data: []byte(`-- +goose Up
CREATE TABLE accounts (id TEXT PRIMARY KEY, number BIGINT, amount BIGINT NOT NULL, open BOOLEAN NOT NULL, created TIMESTAMP NOT NULL, closed TIMESTAMP);
CREATE TABLE entries (id {{autoid}}, account TEXT NOT NULL REFERENCES accounts (id), amount BIGINT NOT NULL);
`)}}}

func insert(ctx context.Context, tx store.Tx, id string) error {
	_, err := tx.NewInsert().Model(&account{ID: id, Open: true, Created: time.Date(2026, 1, 2, 3, 4, 5, 600000, time.UTC)}).Exec(ctx)
	return err
}

func TestWriteAndRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, count := store.Count(context.Background())
		ran := 0
		err := db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			store.AfterCommit(ctx, func() { ran++ })
			if err := insert(ctx, tx, "a"); err != nil {
				return err
			}
			n, err := db.Read(ctx).NewSelect().Model((*account)(nil)).Count(ctx)
			if n != 1 || err != nil {
				return fmt.Errorf("a read inside the write sees %d rows, %w", n, err)
			}
			return nil
		})
		if err != nil || ran != 1 {
			t.Fatalf("write: %v, after commit ran %d times", err, ran)
		}
		if count.Statements() != 2 {
			t.Errorf("counted %d statements, want 2", count.Statements())
		}
		var got account
		if err := db.Read(ctx).NewSelect().Model(&got).Where("id = ?", "a").Scan(ctx); err != nil {
			t.Fatal(err)
		}
		if !got.Open || got.Closed != nil || !got.Created.Equal(time.Date(2026, 1, 2, 3, 4, 5, 600000, time.UTC)) {
			t.Errorf("read back %+v", got)
		}
	}, schema)
}

func TestFailureRollsBackAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		boom := errors.New("boom")
		var wg sync.WaitGroup
		var mu sync.Mutex
		after := map[string]bool{}
		for i := range 60 {
			wg.Go(func() {
				id := fmt.Sprintf("a%02d", i)
				err := db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
					store.AfterCommit(ctx, func() { mu.Lock(); after[id] = true; mu.Unlock() })
					if err := insert(ctx, tx, id); err != nil {
						return err
					}
					switch i % 3 {
					case 1:
						return boom
					case 2:
						panic("a bug")
					}
					return nil
				})
				if (err == nil) != (i%3 == 0) || (i%3 == 1 && !errors.Is(err, boom)) {
					t.Errorf("%s: %v", id, err)
				}
			})
		}
		wg.Wait()
		n, err := db.Read(ctx).NewSelect().Model((*account)(nil)).Count(ctx)
		if err != nil || n != 20 || len(after) != 20 {
			t.Errorf("%d rows and %d after-commits, want 20 (%v)", n, len(after), err)
		}
	}, schema)
}

// Read-modify-write by many at once must lose nothing: writes are serial, or run again.
func TestNoLostUpdate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		if err := db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return insert(ctx, tx, "a") }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				err := db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
					var a account
					if err := tx.NewSelect().Model(&a).Where("id = 'a'").Scan(ctx); err != nil {
						return err
					}
					_, err := tx.NewUpdate().Model(&a).Set("amount = ?", a.Amount+1).Where("id = 'a'").Exec(ctx)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var a account
		if err := db.Read(ctx).NewSelect().Model(&a).Where("id = 'a'").Scan(ctx); err != nil || a.Amount != 50 {
			t.Errorf("amount %d, want 50 (%v)", a.Amount, err)
		}
	}, schema)
}

func TestErrorsAreRecognised(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		write := func(sql string) error {
			return db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
				_, err := tx.ExecContext(ctx, sql)
				return err
			})
		}
		add := "INSERT INTO accounts (id, number, amount, open, created) VALUES ('x', 1, 0, true, '2026-01-01 00:00:00')"
		if err := write(add); err != nil {
			t.Fatal(err)
		}
		if err := write(add); !store.IsUnique(err) || store.IsForeignKey(err) {
			t.Errorf("unique: %v", err)
		}
		if err := write("INSERT INTO entries (account, amount) VALUES ('nobody', 1)"); !store.IsForeignKey(err) || store.IsUnique(err) {
			t.Errorf("foreign key: %v", err)
		}
		err := db.Read(ctx).NewSelect().Model(&account{}).Where("id = 'nobody'").Scan(ctx)
		if !store.IsNotFound(err) {
			t.Errorf("not found: %v", err)
		}
	}, schema)
}

func TestMigrateTwiceAndNestedWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		if err := db.Migrate(ctx, schema); err != nil {
			t.Fatal(err)
		}
		err := db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			if err := db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return insert(ctx, tx, "inner") }); err != nil {
				return err
			}
			return errors.New("outer")
		})
		if err == nil {
			t.Fatal("no error")
		}
		if n, _ := db.Read(ctx).NewSelect().Model((*account)(nil)).Count(ctx); n != 0 {
			t.Errorf("the joined write survived the rollback: %d rows", n)
		}
	}, schema)
}

func TestOpenRefusesUnknownKinds(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "gostack.db"} {
		if _, err := store.Open(context.Background(), url); err == nil {
			t.Errorf("%q was opened", url)
		}
	}
}

func BenchmarkWriteParallel(b *testing.B) {
	db := storetest.SQLite(b, schema)
	var mu sync.Mutex
	n := 0
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			n++
			id := fmt.Sprint(n)
			mu.Unlock()
			if err := db.Write(context.Background(), func(ctx context.Context, tx store.Tx) error { return insert(ctx, tx, id) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestSQLiteFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := store.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", info.Name(), mode)
		}
	}
}

// The database holds password hashes: nobody but its owner reads it, nor the files beside it.
func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := tx.ExecContext(ctx, "CREATE TABLE t (a TEXT)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
}
