package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"gostack/internal/store"
)

// lists: a page of a thousand servers in detail, out of few and out of many.
func lists(o options) (figures []figure, err error) {
	rows := o.rows
	err = with(o.bin, 1, func(c *cloud) error {
		s, err := seed(c, "raw", small())
		if err != nil {
			return err
		}
		id, err := create(c, s.server(false))
		if err != nil {
			return err
		}
		if err := active(c, id, closely); err != nil {
			return err
		}
		var few float64
		for _, n := range []int{1_000, rows} {
			if err := multiply(c, id, n); err != nil {
				return err
			}
			got, before := 0, ran(c.cmd.Process.Pid)
			var work []float64
			ms, err := times(9, func() error {
				var page struct{ Servers []struct{ ID string } }
				err := c.call(http.MethodGet, "/compute/v2.1/servers/detail?limit=1000", nil, &page)
				got = len(page.Servers)
				after := ran(c.cmd.Process.Pid)
				work, before = append(work, float64((after-before).Microseconds())/1000), after
				return err
			})
			if err != nil {
				return err
			}
			if got != 1000 {
				return fmt.Errorf("the page holds %d servers", got)
			}
			f := figure{What: fmt.Sprintf("1,000 servers in detail out of %d", n), Unit: "ms", Samples: ms, Baseline: "upstream, 500 of 500", Base: 706}
			if n == rows {
				f.Baseline, f.Base, f.Budget = "out of 1,000", few, 50
			}
			few = median(ms)
			figures = append(figures, f, figure{What: "  the same, processor time of gostack", Unit: "ms", Samples: work})
		}
		return nil
	})
	return figures, err
}

// multiply copies a server's row until there are n, in the database itself: booting as many would measure something else.
func multiply(c *cloud, id string, n int) error {
	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(c.dir, "state", "gostack.db"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var columns []string
	if err := db.Read(ctx).NewRaw("SELECT name FROM pragma_table_info('nova_servers')").Scan(ctx, &columns); err != nil {
		return err
	}
	list, values := "", ""
	for i, col := range columns {
		if i > 0 {
			list, values = list+", ", values+", "
		}
		list += col
		switch col {
		case "id":
			values += "printf('%08x-0000-4000-8000-000000000000', i)"
		case "seq":
			values += "i + 1000"
		case "host": // many hosts, none of which is this process
			values += "'host-' || (i % 1000)"
		default:
			values += col
		}
	}
	return db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := tx.ExecContext(ctx, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < "+fmt.Sprint(n)+") "+
			"INSERT OR IGNORE INTO nova_servers ("+list+") SELECT "+values+" FROM nova_servers, c WHERE id = '"+id+"'")
		return err
	})
}
