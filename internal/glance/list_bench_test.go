package glance_test

import (
	"context"
	"fmt"
	"testing"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// fill adds n images of other projects and a few that the asking project sees.
func fill(b *testing.B, db *store.DB, n int) {
	b.Helper()
	err := db.Write(context.Background(), func(ctx context.Context, tx store.Tx) error {
		const insert = `INSERT INTO glance_images (id, name, status, visibility, owner, min_disk, min_ram, protected, hidden, properties, tags, data_key, upload_key, created_at, updated_at) `
		for _, q := range []string{
			fmt.Sprintf(insert+`SELECT 'other-' || i, 'n' || i, 'active', 'private', 'p' || (i %% 1000), 0, 0, false, false, '{}', '[]', '', '', '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM series WHERE i < %d`, n),
			insert + `SELECT 'public-' || i, 'n' || i, 'active', 'public', 'admin', 0, 0, false, false, '{}', '[]', '', '', '2025-01-01 00:00:00', '2025-01-01 00:00:00' FROM series WHERE i < 20`,
			insert + `SELECT 'mine-' || i, 'n' || i, 'active', 'shared', 'mine', 0, 0, false, false, '{}', '[]', '', '', '2025-01-01 00:00:00', '2025-01-01 00:00:00' FROM series WHERE i < 20`,
		} {
			if _, err := tx.ExecContext(ctx, "WITH RECURSIVE series (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM series WHERE i < "+fmt.Sprint(n)+") "+q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// A page of a project's images costs the same however many the others have.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		for name, db := range map[string]*store.DB{"sqlite": storetest.SQLite(b, glance.Migrations), "postgres": storetest.PostgreSQL(b, glance.Migrations)} {
			fill(b, db, n)
			s, err := glance.New(db, glance.Config{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			for who, c := range map[string]*policy.Caller{"member": {ProjectID: "mine", Roles: []string{"member"}}, "admin": {ProjectID: "admin", Roles: []string{"admin"}}} {
				b.Run(fmt.Sprintf("%s/%d others/%s", name, n, who), func(b *testing.B) {
					for b.Loop() {
						list, err := s.List(b.Context(), c, glance.Filter{MemberStatus: "accepted"}, []glance.Sort{{Column: "created_at", Desc: true}}, "", 25)
						if err != nil || len(list) != 25 {
							b.Fatal(len(list), err)
						}
					}
				})
			}
		}
	}
}
