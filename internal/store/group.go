package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/uptrace/bun"
)

// ErrClosed is the answer of a closed database.
var ErrClosed = errors.New("the database is closed")

// groupWriter runs writes one after the other on one connection and commits those that wait together at once.
type groupWriter struct {
	jobs chan *groupJob
	quit chan struct{}
	done sync.WaitGroup
}

type groupJob struct {
	ctx   context.Context
	db    *DB
	fn    func(context.Context, Tx) error
	after []func()
	err   error
	ready chan struct{}
}

// One commit serves at most this many writes and takes in new ones for at most this long, so nobody waits for strangers.
const (
	groupMax  = 256
	groupTime = 20 * time.Millisecond
)

func newGroupWriter(h *bun.DB) *groupWriter {
	g := &groupWriter{jobs: make(chan *groupJob, groupMax), quit: make(chan struct{})}
	g.done.Go(func() { g.loop(h) })
	return g
}

func (g *groupWriter) write(ctx context.Context, db *DB, fn func(context.Context, Tx) error) ([]func(), error) {
	j := &groupJob{ctx: ctx, db: db, fn: fn, ready: make(chan struct{})}
	select {
	case g.jobs <- j:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-g.quit:
		return nil, ErrClosed
	}
	select {
	case <-j.ready:
		return j.after, j.err
	case <-g.quit:
		g.done.Wait()
		select {
		case <-j.ready:
			return j.after, j.err
		default:
			return nil, ErrClosed
		}
	}
}

func (g *groupWriter) close() {
	close(g.quit)
	g.done.Wait()
}

func (g *groupWriter) loop(h *bun.DB) {
	for {
		select {
		case j := <-g.jobs:
			g.batch(h, j)
		case <-g.quit:
			for {
				select {
				case j := <-g.jobs:
					g.batch(h, j)
				default:
					return
				}
			}
		}
	}
}

// batch runs first and whatever waits behind it in one transaction, then tells all of them how it ended.
func (g *groupWriter) batch(h *bun.DB, first *groupJob) {
	jobs := []*groupJob{first}
	err := g.transact(h, func(c bun.Conn) error {
		until := time.Now().Add(groupTime)
		for i := 0; ; i++ {
			if err := runSavepoint(c, jobs[i]); err != nil {
				return err
			}
			if len(jobs) == groupMax || time.Now().After(until) {
				return nil
			}
			select {
			case j := <-g.jobs:
				jobs = append(jobs, j)
			default:
				return nil
			}
		}
	})
	for _, j := range jobs {
		if err != nil && j.err == nil {
			j.err, j.after = err, nil
		}
		close(j.ready)
	}
}

func (g *groupWriter) transact(h *bun.DB, fn func(bun.Conn) error) error {
	ctx := context.Background()
	c, err := h.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	// On the plain connection below: the frame of a transaction is not counted as a statement of a request.
	if _, err := c.Conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err = fn(c); err == nil {
		_, err = c.Conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = c.Conn.ExecContext(ctx, "ROLLBACK") // fails when SQLite has rolled back by itself
	}
	return err
}

// runSavepoint runs one write in a savepoint. The error it returns is one that ends the whole transaction
// (disk full or an I/O error make SQLite roll back by itself); the write's own error is left in the job.
func runSavepoint(c bun.Conn, j *groupJob) error {
	ctx := context.Background()
	if _, err := c.Conn.ExecContext(ctx, "SAVEPOINT w"); err != nil {
		return err
	}
	w, err := enter(j.ctx, j.db, c, j.fn)
	if err != nil {
		j.err = err
		if _, err := c.Conn.ExecContext(ctx, "ROLLBACK TO w"); err != nil {
			return err
		}
	} else {
		j.after = w.after
	}
	_, err = c.Conn.ExecContext(ctx, "RELEASE w")
	return err
}
