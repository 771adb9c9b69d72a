package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func openAt(t *testing.T, url string, sets ...store.Migrations) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), sets...); err != nil {
		t.Fatal(err)
	}
	return db
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// The server is stopped as in a crash and started again while many write and read. Every write that was answered with success is there, once;
// every one that was refused was refused because the database was away.
func TestRestartUnderLoad(t *testing.T) {
	s := storetest.NewServer(t)
	db := openAt(t, s.Database(), schema)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var written sync.Map
	var good, refused atomic.Int64
	var work sync.WaitGroup
	for w := range 12 {
		work.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("w%d-%d", w, i)
				err := db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) error { return insert(ctx, tx, id) })
				switch {
				case err == nil:
					written.Store(id, true)
					good.Add(1)
				case store.IsUnavailable(err):
					refused.Add(1)
				default:
					t.Errorf("write %s: %v", id, err)
					return
				}
				if _, err := db.Read(t.Context()).NewSelect().Model((*account)(nil)).Where("id = ?", id).Exists(t.Context()); err != nil && !store.IsUnavailable(err) {
					t.Errorf("read: %v", err)
				}
			}
		})
	}
	for range 3 {
		n := good.Load()
		eventually(t, "writes go on", func() bool { return good.Load() > n+50 })
		s.Stop()
		s.Start()
	}
	n := good.Load()
	eventually(t, "writes go on at the end", func() bool { return good.Load() > n+50 })
	cancel()
	work.Wait()
	var ids []string
	if err := db.Read(t.Context()).NewSelect().Model((*account)(nil)).Column("id").Scan(t.Context(), &ids); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, id := range ids {
		there[id] = true
	}
	written.Range(func(id, _ any) bool {
		if !there[id.(string)] {
			t.Errorf("%s was promised and is lost", id)
		}
		return true
	})
	t.Logf("%d writes, %d refused, %d conflicts", good.Load(), refused.Load(), db.Conflicts())
}

// A database that is away for longer than anybody waits is said to be away.
func TestAwayForLong(t *testing.T) {
	s := storetest.NewServer(t)
	url := s.Database()
	db := openAt(t, url, schema)
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := db.Read(ctx).NewSelect().Model(&account{}).Where("id = 'x'").Scan(ctx); !store.IsUnavailable(err) {
		t.Errorf("read: %v", err)
	}
	_, err := store.Open(ctx, strings.Replace(url, "postgres@", "postgres:hush@", 1))
	if !store.IsUnavailable(err) || strings.Contains(err.Error(), "hush") {
		t.Errorf("open: %v", err)
	}
	s.Start()
	err = db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return insert(ctx, tx, "x") })
	if err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

func TestConflictsAreCounted(t *testing.T) {
	db := storetest.PostgreSQL(t, schema)
	if err := db.Write(t.Context(), func(ctx context.Context, tx store.Tx) error { return insert(ctx, tx, "a") }); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	ctx, count := store.Count(t.Context())
	err := db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		var a account
		if err := tx.NewSelect().Model(&a).Where("id = 'a'").Scan(ctx); err != nil {
			return err
		}
		once.Do(func() { // another process changes what was read
			if _, err := db.Read(context.Background()).NewUpdate().Model((*account)(nil)).Set("amount = 7").Where("id = 'a'").Exec(context.Background()); err != nil {
				t.Error(err)
			}
		})
		_, err := tx.NewUpdate().Model(&a).Set("amount = ?", a.Amount+1).Where("id = 'a'").Exec(ctx)
		return err
	})
	var a account
	if err != nil || db.Read(t.Context()).NewSelect().Model(&a).Where("id = 'a'").Scan(t.Context()) != nil || a.Amount != 8 || db.Conflicts() != 1 {
		t.Errorf("%v, amount %d, %d conflicts", err, a.Amount, db.Conflicts())
	}
	if n := count.Statements(); n != 2 {
		t.Errorf("the write took %d statements, not those two that were committed", n)
	}
}

// Two handles are two processes: each hears the other's announcements after the commit, not its own, none of a write that failed, and is told to look after a gap.
func TestAnnouncements(t *testing.T) {
	s := storetest.NewServer(t)
	url := s.Database()
	a, b := openAt(t, url, schema), openAt(t, url)
	var mu sync.Mutex
	heard := map[string]int{}
	ear := func(who string) func(string) {
		return func(detail string) {
			mu.Lock()
			defer mu.Unlock()
			heard[who+":"+detail]++
		}
	}
	count := func(what string) int {
		mu.Lock()
		defer mu.Unlock()
		return heard[what]
	}
	a.Hear("news", ear("a"))
	b.Hear("news", ear("b"))
	// Before b listens an announcement may be lost, so it is made until it is heard.
	eventually(t, "b hears", func() bool { a.Announce(t.Context(), "news", "hello"); return count("b:hello") > 0 })
	_ = a.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
		a.Announce(ctx, "news", "never")
		return fmt.Errorf("rolled back")
	})
	a.Announce(t.Context(), "other", "x")
	_ = a.Write(t.Context(), func(ctx context.Context, _ store.Tx) error { a.Announce(ctx, "news", "last"); return nil })
	eventually(t, "b hears what was committed", func() bool { return count("b:last") > 0 })
	if count("a:hello")+count("b:never")+count("b:x") > 0 {
		t.Errorf("heard %v", heard)
	}
	gaps := count("b:")
	s.Stop()
	s.Start()
	eventually(t, "b is told to look after the gap", func() bool { return count("b:") > gaps })
	eventually(t, "b hears again", func() bool { a.Announce(t.Context(), "news", "again"); return count("b:again") > 0 })
	if ahead := b.ClockAhead(); ahead.Abs() > time.Minute {
		t.Errorf("the clock of this very machine is %s ahead", ahead)
	}
}
